//! The request bodies of a task about documents whose answer is JSON, for
//! `.ci/check-anthropic-sdk`: those that the provider `anthropic` sends to the stand-in for the
//! Messages API. It prints that of the count and that of the call, each one in a line.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for body in tally_tests::steps::task_bodies().await {
        println!("{body}");
    }
}
