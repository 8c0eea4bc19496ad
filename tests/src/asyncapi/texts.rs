//! The long texts of the document.

/// Describes the API.
pub const DESCRIPTION: &str = "The WebSocket API of a finance team's AI assistant. A message is a \
    JSON object: a client's has an `action` and perhaps an `id`, a server's has a `type`, and an \
    answer echoes that `id`. Frames of a stream and the end of a reply have no `id`: they name \
    their `subscription_id` or `message_id`. Every connection of a user gets `file.updated`, \
    `job.progress` and `job.ended`, without a subscription. The server answers a wrong, unknown or \
    excessive message with `error`, and the connection stays open.\n\n\
    **Order.** API Gateway delivers each message by itself, so a message can overtake the one \
    before it. Wait for the answer before you send the next message about the same chart or reply. \
    Or number the messages about a chart by `seq`: the one with the highest number counts. If a \
    message arrives after a higher number, the server answers with an `error` with the code \
    `conflict`, and the message changes nothing. Keep one counter for a connection, and raise it \
    for each message. Send it with all messages about a chart, or with none.\n\n\
    **Limits.** If `ws_messages` refuses a message, wait for as long as the error says. The server \
    closes a connection once it has refused ten times as many of its messages as the limit \
    allows.\n\n\
    The API only grows: new versions add messages and members, and never change or remove them. \
    Ignore messages and members that you do not know.";

/// Describes the one channel.
pub const CHANNEL: &str = "Open a connection with one of the credentials: a ticket, the header, \
    the subprotocol, or the token in the URL. If you send several, the first in this order counts. \
    The server refuses a connection without a valid credential with 401. It refuses a page of an \
    origin that is not on the allow-list with 403, and a wrong query with 422. It refuses the \
    sixth connection of a session with 429. `chart_type` and `interval_ms` subscribe to a chart at \
    once.\n\n\
    The connection ends with its session. It also ends an hour after the token of the connection \
    (or of its ticket) has expired, unless you send `auth.renew`. API Gateway ends an idle \
    connection after ten minutes, so send `ping` every five. It ends every connection after two \
    hours: open another, and send `chat.resume`.\n\n\
    Frames are text. A client's frame of more than 32 KB ends the connection with 1009: send long \
    messages by `POST /chat`. A binary frame ends it with 1003. The server's frames stay under 32 \
    KB. API Gateway's own frames have no `type`: `{\"message\", \"connectionId\", \"requestId\"}`.";
