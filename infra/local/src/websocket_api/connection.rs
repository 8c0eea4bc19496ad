//! One connection, from its upgrade to its `$disconnect`.

use std::io;
use std::task::{Context, Waker};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::Server;
use super::connections::{Outgoing, Registered};
use super::event::{Session, random_id};
use super::socket::{End, Progress, Socket};

/// Maximum number of a client's messages that functions handle at a time. API Gateway has no such
/// limit. Here it bounds the memory.
const IN_FLIGHT: usize = 128;

/// Runs a connection until it ends, and invokes `$disconnect`.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Server,
    connection: Registered,
    upgraded: io::Result<S>,
) {
    let session = connection.session.clone();
    let Ok(stream) = upgraded else {
        drop(connection);
        return tell_disconnect(server, &session, &End::lost()).await;
    };
    let mut socket = Socket::new(stream, server.limits).await;
    let end = converse(server, connection, &mut socket).await;
    // The function does not wait for a client that is slow to leave.
    tokio::join!(socket.close(&end), tell_disconnect(server, &session, &end));
}

/// Carries messages both ways until one side ends the connection.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    server: &Server,
    mut connection: Registered,
    socket: &mut Socket<S>,
) -> End {
    let limits = server.limits;
    let end_of_life = Instant::now() + limits.lifetime;
    let mut idle_since = Instant::now();
    let mut writing_since = idle_since;
    let mut stop = server.stop.subscribe();
    let mut in_flight = JoinSet::new();
    let end = loop {
        tokio::select! {
            progress = socket.progress(in_flight.len() < IN_FLIGHT) => {
                idle_since = Instant::now();
                match progress {
                    Progress::Text(text) => hand_over(server, &connection, &text, &mut in_flight),
                    Progress::Written | Progress::Control => {}
                    Progress::End(end) => break end,
                }
            }
            Some(outgoing) = connection.inbox.recv(), if !socket.writing() => match outgoing {
                Outgoing::Post(message) => {
                    writing_since = Instant::now();
                    socket.send(message);
                }
                Outgoing::Close => break End::by_us(CloseCode::Normal, "Connection Closed \
                    Normally"),
            },
            Some(_) = in_flight.join_next() => {}
            () = sleep_until(writing_since + limits.stalled),
            if socket.writing() => break End::lost(),
            () = sleep_until(end_of_life.min(idle_since + limits.idle)) => {
                break End::by_us(CloseCode::Away, "Going away")
            },
            _ = stop.wait_for(|stop| *stop) => break End::by_us(CloseCode::Away, "Going away"),
        }
    };
    // The functions finish the messages that they have begun, as on AWS.
    in_flight.detach_all();
    end
}

/// Invokes the function for a message. The next message does not wait for this one's answer.
fn hand_over(server: &Server, connection: &Registered, message: &str, in_flight: &mut JoinSet<()>) {
    connection.touch();
    let session = connection.session.clone();
    let outgoing = connection.outgoing.clone();
    let functions = server.functions.clone();
    let route = server.routes.of(message);
    let request_id = random_id();
    let event = route.as_ref().map(|route| session.message(&route.key, &request_id, message));
    let mut handling = Box::pin(async move {
        let problem = match route.zip(event) {
            None => "Forbidden",
            Some((route, event)) => match functions.invoke(&route.function, event).await {
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(
                        function = route.function,
                        route = route.key,
                        %error,
                        "failed to handle a WebSocket message"
                    );
                    "Internal server error"
                }
            },
        };
        // If the connection has ended, there is no client to tell.
        let _ = outgoing.send(Outgoing::Post(session.error_frame(problem, &request_id))).await;
    });
    // The first poll queues the invocation at once, so messages reach the functions in the order in
    // which they came.
    if handling.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        in_flight.spawn(handling);
    }
}

async fn tell_disconnect(server: &Server, session: &Session, end: &End) {
    let Some(route) = server.routes.named("$disconnect") else { return };
    if let Err(error) =
        server.functions.invoke(&route.function, session.disconnect(end.code, &end.reason)).await
    {
        tracing::warn!(function = route.function, %error, "failed to invoke $disconnect");
    }
}
