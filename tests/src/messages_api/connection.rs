//! One connection: it checks requests and sends their answers.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::answer::End;
use super::{Answer, Asked, State, rules};

/// Bytes of a request that the API takes.
const LARGEST_REQUEST: usize = 32 * 1024 * 1024;

/// A request as it arrived.
struct Received {
    line: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

pub(super) async fn serve(stream: TcpStream, state: Arc<State>) {
    let mut stream = BufReader::new(stream);
    // Tests break off connections on purpose. That is no failure of this server.
    while let Ok(Some(received)) = receive(&mut stream).await {
        let answer = state.answer(&received);
        if !send(&mut stream, answer, &state).await.unwrap_or(false) {
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
    state: &State,
) -> io::Result<bool> {
    let Answer { status, headers, pieces, delay, pace, held, end, .. } = answer;
    if !delay.is_zero() && hangs_up(stream, Instant::now() + delay).await {
        state.hung_up.send_modify(|clients| *clients += 1);
        return Ok(false);
    }
    match end {
        End::Headless { reset: true } => return reset(stream),
        End::Headless { reset: false } => return silence(stream, state).await,
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
            state.hung_up.send_modify(|clients| *clients += 1);
            return Err(error);
        }
    }
    match end {
        End::Whole => stream.write_all(b"0\r\n\r\n").await.map(|()| true),
        End::Hang => silence(stream, state).await,
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
async fn silence(stream: &mut BufReader<TcpStream>, state: &State) -> io::Result<bool> {
    let mut ignored = [0; 64];
    while stream.read(&mut ignored).await.is_ok_and(|bytes| bytes > 0) {}
    state.hung_up.send_modify(|clients| *clients += 1);
    Ok(false)
}

impl State {
    fn answer(&self, received: &Received) -> Answer {
        let key = self.key.lock().unwrap().clone();
        if received.header("x-amz-target") == "secretsmanager.GetSecretValue" {
            // The stand-in is also its own Secrets Manager, so a provider needs no other server.
            return Answer::body(
                200,
                "application/x-amz-json-1.1",
                &json!({"SecretString": json!({"api_key": key}).to_string()}).to_string(),
            );
        }
        let counts = received.line.starts_with("POST /v1/messages/count_tokens HTTP/1.1");
        if !counts && !received.line.starts_with("POST /v1/messages HTTP/1.1") {
            return Answer::error(404, "not_found_error");
        }
        if received.body.len() > LARGEST_REQUEST {
            return Answer::error(413, "request_too_large");
        }
        let body: Value = serde_json::from_slice(&received.body).unwrap_or_default();
        if received.header("authorization") != format!("Bearer {key}") {
            return Answer::error(401, "authentication_error");
        }
        if received.header("anthropic-version") != "2026-10-21"
            || received.header("content-type") != "application/json"
        {
            return Answer::error(400, "invalid_request_error");
        }
        let is_bound = |()| self.bound.lock().unwrap().check(&body);
        let check = if counts { rules::check_count } else { rules::check };
        if let Err(why) = check(&body).and_then(is_bound) {
            self.refused.lock().unwrap().push(why.clone());
            return Answer::error_saying(400, "invalid_request_error", &why);
        }
        if counts {
            let count = self.count.lock().unwrap().clone();
            return count(&noted(&self.counted, body));
        }
        let asked = noted(&self.asked, body);
        let answer = (self.script)(&asked);
        self.bound.lock().unwrap().bind(answer.signs.clone(), &asked.body);
        answer
    }
}

/// Notes a valid request.
fn noted(all: &watch::Sender<Vec<Asked>>, body: Value) -> Asked {
    let mut asked = Asked { number: 0, body };
    all.send_modify(|all| {
        asked.number = all.len();
        all.push(asked.clone());
    });
    asked
}

impl Received {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}
