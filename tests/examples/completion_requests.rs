//! The request bodies of the provider `openai`, for `.ci/check-openai-sdk`: those that it sends to
//! the stand-in for chat completions. It prints each one in a line.

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for body in tally_tests::completions_api::bodies().await {
        println!("{body}");
    }
}
