//! Pauses between attempts at a write that other requests make at the same time.

use std::time::Duration;

use crate::ids;

/// Waits up to 40 ms after the first attempt, 80 after the second, and so on up to 640. This is
/// "full jitter": requests that collided do not meet again.
pub async fn pause(attempt: u32) {
    let [low, high] = ids::random::<2>();
    let ceiling = 20_u64 << attempt.min(5);
    tokio::time::sleep(Duration::from_millis(u64::from(u16::from_le_bytes([low, high])) % ceiling))
        .await;
}
