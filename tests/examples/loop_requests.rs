//! The request bodies of a loop with tools, for `.ci/check-anthropic-sdk`: those that the provider
//! `anthropic` sends to the stand-in for the Messages API. It prints each one in a line.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for body in tally_tests::steps::bodies().await {
        println!("{body}");
    }
}
