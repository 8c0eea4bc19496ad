//! `GET /conversations`: all conversations of the caller, or those in which the searched words
//! occur.

use platform::cursor::{Cursors, Page, Paging};
use platform::domain::Words;
use platform::http::{Parameters, in_query};
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_chat::domain::IdleAfter;
use tally_chat::store::Conversation;
use tally_chat::{Reading, Shown};
use utoipa::IntoParams;
use utoipa::openapi::path::Parameter;

use crate::ConversationView;

/// `GET /conversations`.
pub struct ListConversations {
    reading: Reading,
    cursors: Cursors,
    idle: IdleAfter,
}

/// The query parameters.
#[derive(Debug)]
pub struct ConversationsQuery {
    /// The words to search for. Without them, all conversations are listed.
    pub words: Option<Words>,
    /// The page to return.
    pub paging: Paging,
}

/// The filter of the search.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Search {
    /// Only conversations that have this text in their title or in one of your messages, in any
    /// case and any Unicode normal form. The server does not search the assistant's replies. The
    /// search goes back to the first conversation. Withheld titles and messages do not match. A
    /// page covers 200 conversations or some 4 MB of messages, so it may be short, even empty. The
    /// search has ended only if `next_cursor` is null.
    #[param(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$",
        example = "alpha"
    )]
    #[allow(dead_code, reason = "it is here to be described")]
    query: Option<String>,
}

impl Input for ConversationsQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let words = fields.optional("query");
        let paging = Paging::read(fields);
        Some(Self { words: words?, paging: paging? })
    }
}

/// The parameter of the search, and those of every list.
impl Parameters for ConversationsQuery {
    fn parameters() -> Vec<Parameter> {
        [in_query::<Search>(), Paging::parameters()].concat()
    }
}

impl Endpoint for ListConversations {
    const ROUTE: Route = routes::CONVERSATIONS;
    type Caller = Principal;
    type Body = ();
    type Query = ConversationsQuery;
    type Output = Page<ConversationView>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            reading: Reading::new(platform)?,
            cursors: Cursors::new(platform)?,
            idle: IdleAfter::from_config(&platform.config)?,
        })
    }

    /// A list reads one page. A search reads much more, so it has a limit.
    fn row(&self, request: &Request<'_, Self>) -> Route {
        if request.query.words.is_some() {
            Self::ROUTE
        } else {
            Route { limits: &[], ..Self::ROUTE }
        }
    }

    async fn handle(
        &self,
        request: Request<'_, Self>,
    ) -> Result<Plan<Page<ConversationView>>, Problem> {
        let (ConversationsQuery { words, paging }, user_id, now) =
            (&request.query, &request.caller.user_id, request.now);
        let view = |found: Vec<Shown<Conversation>>| {
            let view = |shown: Shown<Conversation>| {
                let status = shown.status(self.idle, now);
                ConversationView::new(shown, status)
            };
            found.into_iter().map(view).collect()
        };
        let page = if let Some(words) = words {
            let from = self.cursors.open(paging, user_id, request.call).await?;
            let (found, next) =
                self.reading.search(user_id, words, from, paging.limit, now).await?;
            self.cursors.page(view(found), next, user_id, request.call).await?
        } else {
            let after = self.cursors.open(paging, user_id, request.call).await?;
            let (found, more) =
                self.reading.list(user_id, after.as_ref(), paging.limit, now).await?;
            let next = found.last().filter(|_| more).map(|last| last.place());
            self.cursors.page(view(found), next, user_id, request.call).await?
        };
        Ok(Plan::reply(page))
    }
}
