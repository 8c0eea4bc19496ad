//! One connection: it checks requests and sends their answers.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::answer::End;
use super::{Answer, Answers, Received};

pub(super) async fn serve(stream: TcpStream, answers: Arc<Answers>, hung_up: watch::Sender<usize>) {
    let mut stream = BufReader::new(stream);
    // Tests break off connections on purpose. That is no failure of this server.
    while let Ok(Some(received)) = receive(&mut stream).await {
        let answer = answers(&received);
        if !send(&mut stream, answer, &hung_up).await.unwrap_or(false) {
            return;
        }
    }
}

async fn receive(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Received>> {
    let mut line = String::new();
    let mut headers = BTreeMap::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    loop {
        let mut header = String::new();
        if stream.read_line(&mut header).await? <= 2 {
            break;
        }
        if let Some((name, value)) = header.trim_end().split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
    }
    let mut body =
        vec![0; headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    Ok(Some(Received { line, headers, body }))
}

/// Sends an answer. Returns whether the connection can be used again.
async fn send(
    stream: &mut BufReader<TcpStream>,
    answer: Answer,
    hung_up: &watch::Sender<usize>,
) -> io::Result<bool> {
    let Answer { status, headers, pieces, delay, pace, held, end, .. } = answer;
    if !delay.is_zero() && hangs_up(stream, Instant::now() + delay).await {
        hung_up.send_modify(|clients| *clients += 1);
        return Ok(false);
    }
    match end {
        End::Headless { reset: true } => return reset(stream),
        End::Headless { reset: false } => return silence(stream, hung_up).await,
        _ => {}
    }
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 {status} Status\r\ntransfer-encoding: chunked\r\n{}\r\n",
        headers.concat()
    );
    stream.write_all(head.as_bytes()).await?;
    let mut due = Instant::now();
    for (number, piece) in pieces.iter().enumerate().filter(|(_, piece)| !piece.is_empty()) {
        if let Some((_, barrier)) = held.as_ref().filter(|(at, _)| *at == number) {
            barrier.wait().await;
            due = Instant::now();
        }
        if !pace.is_zero() {
            due += pace;
            sleep_until(due).await;
        }
        let framed = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        if let Err(error) = stream.write_all(&framed).await {
            hung_up.send_modify(|clients| *clients += 1);
            return Err(error);
        }
    }
    match end {
        End::Whole => stream.write_all(b"0\r\n\r\n").await.map(|()| true),
        End::Hang => silence(stream, hung_up).await,
        End::Reset | End::Headless { .. } => {
            // The client must receive the bytes that were sent. A reset without a pause would
            // overtake them.
            sleep(Duration::from_millis(50)).await;
            reset(stream)
        }
    }
}

/// Waits until this time. Returns whether the client hangs up before that.
async fn hangs_up(stream: &mut BufReader<TcpStream>, until: Instant) -> bool {
    let is_gone = match timeout_at(until, stream.fill_buf()).await {
        Ok(Ok(bytes)) => bytes.is_empty(),
        Ok(Err(_)) => true,
        Err(_) => return false,
    };
    // Bytes are a next request, which waits too.
    if !is_gone {
        sleep_until(until).await;
    }
    is_gone
}

fn reset(stream: &BufReader<TcpStream>) -> io::Result<bool> {
    stream.get_ref().set_zero_linger().map(|()| false)
}

/// Sends no more until the client hangs up.
async fn silence(
    stream: &mut BufReader<TcpStream>,
    hung_up: &watch::Sender<usize>,
) -> io::Result<bool> {
    let mut ignored = [0; 64];
    while stream.read(&mut ignored).await.is_ok_and(|bytes| bytes > 0) {}
    hung_up.send_modify(|clients| *clients += 1);
    Ok(false)
}
