//! A round of a job: calls are begun, their answers stored, until none is left, the user stops the
//! job, or the worker has to leave it.

use std::collections::BTreeMap;
use std::time::Duration;

use assistant::Fault;
use assistant::domain::{Cost, Usage};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use platform::Problem;
use platform::audit::AuditDetails;
use platform::runtime::Invocation;
use tally_jobs::domain::{ErrorCode, ItemStatus, JobError};
use tally_jobs::store::{Head, Item, ItemState, Rest, Spent};
use tally_prompts::domain::Pinned;
use tokio::time::{Instant, sleep_until};

use crate::board::{Board, MOST_ATTEMPTS, Next, Used};
use crate::call::{Answered, Bound, Failed, SoFar, Watched, call, store};
use crate::ledger::Kept;
use crate::pace::{OUTAGE, Pace, is_counted};
use crate::progress::Progress;
use crate::work::{Accepted, Made, Work};
use crate::{JobRun, Settings};

/// Answers that one transaction stores, and calls that it begins, at most. An answer is an item and
/// an event. A call that begins may have an earlier result. DynamoDB takes 100 writes and 4 MB.
const MOST_ENDED: usize = 20;
const MOST_BEGUN: usize = 16;

/// Time before the end of the invocation from which on no call begins, and that at which calls are
/// broken off.
const LEAVE: Duration = Duration::from_mins(1);
const BREAK_OFF: Duration = Duration::from_secs(15);

/// The longest time between two looks at the job, at which the worker notices that it is to stop.
const LOOK: Duration = Duration::from_secs(2);

/// Bytes of a system prompt from which on the first call goes alone, so that the others read it
/// from the provider's cache.
const LONG_SYSTEM: usize = 4_096;

/// How the work of a worker on a job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The round has ended.
    Ended,
    /// A successor has to go on.
    HandOver,
    /// The job waits for the provider or a store. The schedule starts its next worker.
    Waits,
    /// Another worker has the job.
    Lost,
}

/// Why no further call begins.
#[derive(Debug, Clone, PartialEq)]
enum Stop {
    /// The user has stopped the job. Calls under way are broken off.
    Cancelled,
    /// The rest of the items fails with this. If `now`, calls under way are broken off.
    Fails { error: JobError, now: bool },
    /// The worker leaves the job at this time in milliseconds since 1970, or at once (0).
    Leaves(i64),
}

/// A call that has ended, or was broken off.
struct Ending {
    answered: Answered,
    /// Set if the worker broke the call off: the state of the item then.
    broken_off: Option<(ItemStatus, Option<JobError>)>,
}

/// A round of a job.
pub struct Round<'a> {
    worker: &'a JobRun,
    invocation: &'a Invocation,
    head: Head,
    progress: Progress,
}

/// A round that is under way.
struct Running<'a, 'r> {
    round: &'r mut Round<'a>,
    work: &'r dyn Work,
    worst: Vec<i64>,
    board: Board,
    calls: FuturesUnordered<BoxFuture<'r, Answered>>,
    watched: BTreeMap<u32, Watched>,
    /// Calls that have ended and are not stored yet.
    ended: Vec<Ending>,
    /// Items that an earlier worker has left running.
    lost: Vec<ItemState>,
    pace: Pace,
    /// What is kept of items of earlier rounds that are tried again.
    earlier: BTreeMap<u32, String>,
    stop: Option<Stop>,
    look_at: Instant,
}

impl<'a> Round<'a> {
    pub fn new(worker: &'a JobRun, head: Head, invocation: &'a Invocation) -> Self {
        let progress = Progress::new(&worker.broadcast);
        Self { worker, invocation, head, progress }
    }

    /// Goes on with the job until its round ends, or the worker has to leave it.
    pub async fn run(mut self) -> Result<Exit, Problem> {
        let worker = self.worker;
        let made = worker.kinds.of(&self.head).await;
        let made = match (made, self.must_end()) {
            // It ends all the same. Otherwise it would keep its hold for ever.
            (Err(problem), Some(stop)) => {
                let (job_id, code) = (&self.head.id, &problem.code);
                tracing::error!(job_id, %code, "failed to make the work of a job that has to end");
                return self.end(None, Some(stop)).await;
            }
            (made, _) => made?,
        };
        let Some(Made { work, units, worst }) = made else {
            let gone = Stop::Fails { error: JobError::of(ErrorCode::InputGone), now: true };
            let stop = self.must_end().unwrap_or(gone);
            return self.end(None, Some(stop)).await;
        };
        let work: &dyn Work = &*work;
        let states = worker.items.states(&self.head.id).await?;
        let about = |index, state: Option<&ItemState>| work.about(index, state);
        let (board, lost) = Board::new(&self.head, states, &units, about);
        let is_warm = worker.pricing.is_none() || work.system_bytes() < LONG_SYSTEM;
        let parallel = worker.settings.parallel.min(work.most_at_once());
        let stop = self.must_end();
        let mut running = Running {
            work,
            worst,
            board,
            calls: FuturesUnordered::new(),
            watched: BTreeMap::new(),
            ended: Vec::new(),
            lost,
            pace: Pace::new(parallel, is_warm, Instant::now()),
            earlier: BTreeMap::new(),
            stop,
            look_at: Instant::now() + look_after(worker.settings),
            round: &mut self,
        };
        let lost = running.go_on().await?;
        let stop = running.stop.take();
        drop(running);
        if lost {
            return Ok(Exit::Lost);
        }
        match stop {
            Some(Stop::Leaves(until)) => self.leave(until).await,
            stop => self.end(Some(work), stop).await,
        }
    }

    /// Why the round has to end now, if it has to.
    fn must_end(&self) -> Option<Stop> {
        if self.head.cancel_requested {
            return Some(Stop::Cancelled);
        }
        let is_over = self.worker.clock.now().as_millisecond() >= self.head.ends_at();
        is_over.then(|| Stop::Fails { error: JobError::of(ErrorCode::Expired), now: true })
    }

    /// Leaves the job to another worker.
    async fn leave(self, until: i64) -> Result<Exit, Problem> {
        let now = self.worker.clock.now().as_second();
        let mut before = self.head;
        loop {
            // A job that is to stop does not wait.
            let waits = until > 0 && !before.cancel_requested;
            let due_at = if waits { now.max(until / 1_000) } else { now };
            let after = before.changed(|after| {
                after.lease_until = 0;
                after.due_at = Some(due_at);
            });
            match self.worker.ledger.release(&before, after).await? {
                Kept::Stored(_) if waits => return Ok(Exit::Waits),
                Kept::Stored(_) => return Ok(Exit::HandOver),
                Kept::Changed(found) => before = *found,
                Kept::Lost => return Ok(Exit::Lost),
            }
        }
    }

    /// Ends the round, and tells the user's connections.
    async fn end(self, work: Option<&dyn Work>, stop: Option<Stop>) -> Result<Exit, Problem> {
        let (error, rest) = match stop {
            Some(Stop::Cancelled) => (None, Rest { status: ItemStatus::Cancelled, code: None }),
            Some(Stop::Fails { error, .. }) => {
                let rest = Rest { status: ItemStatus::Failed, code: Some(error.code) };
                (Some(error), rest)
            }
            None | Some(Stop::Leaves(_)) => (None, Rest { status: ItemStatus::Failed, code: None }),
        };
        let Some(head) = self.worker.ends.end(self.head, work, error, rest).await? else {
            return Ok(Exit::Lost);
        };
        self.progress.end(&head).await;
        Ok(Exit::Ended)
    }
}

impl Running<'_, '_> {
    /// Makes the calls. Gives whether another worker has the job.
    async fn go_on(&mut self) -> Result<bool, Problem> {
        loop {
            self.notice_limits();
            if self.is_broken_off() {
                self.break_off().await?;
            }
            if self.store().await? {
                return Ok(true);
            }
            // One transaction takes only so much.
            let has_more = !self.ended.is_empty() || !self.lost.is_empty();
            if has_more || self.beginnable(&self.round.head).is_some() {
                continue;
            }
            let head = &self.round.head;
            self.round.progress.post(head, self.board.ended());
            if self.calls.is_empty() && self.is_over() {
                return Ok(false);
            }
            if self.wait().await? {
                return Ok(true);
            }
        }
    }

    /// Whether no further call begins, after all that were under way have ended.
    fn is_over(&mut self) -> bool {
        if self.stop.is_some() {
            return true;
        }
        match self.next(&self.round.head) {
            Next::Begin(_) | Next::Wait => false,
            Next::Done => true,
            Next::Short => {
                let error = JobError::of(ErrorCode::BudgetExceeded);
                self.stop = Some(Stop::Fails { error, now: false });
                true
            }
        }
    }

    /// Waits until a call ends, a pause is over, or it is time to look at the job. Gives whether
    /// another worker has it.
    async fn wait(&mut self) -> Result<bool, Problem> {
        let is_paused = self.is_paused();
        tokio::select! {
            Some(answered) = self.calls.next() => {
                self.take(answered);
                while self.ended.len() < MOST_ENDED
                    && let Some(Some(answered)) = self.calls.next().now_or_never()
                {
                    self.take(answered);
                }
                Ok(false)
            }
            () = sleep_until(self.pace.begins_at()), if is_paused => Ok(false),
            () = sleep_until(self.look_at) => self.look().await,
        }
    }

    /// Looks at the job. Gives whether another worker has it.
    async fn look(&mut self) -> Result<bool, Problem> {
        let Round { worker, head, .. } = &*self.round;
        self.look_at = Instant::now() + look_after(worker.settings);
        let looked = worker.ledger.look(head).await;
        let has_lease = worker.clock.now().as_millisecond() < head.lease_until;
        match looked {
            Ok(kept) => Ok(self.adopt(kept).is_none()),
            // The calls go on as long as the lease keeps others off.
            Err(problem) if has_lease => {
                let job_id = &self.round.head.id;
                tracing::warn!(job_id, code = %problem.code, "failed to look at a job");
                Ok(false)
            }
            Err(problem) => Err(problem),
        }
    }

    /// Takes an answer.
    fn take(&mut self, answered: Answered) {
        self.watched.remove(&answered.index);
        self.ended.push(Ending { answered, broken_off: None });
    }

    /// Takes the job as the store has it. `None` if another worker has it.
    fn adopt(&mut self, kept: Kept) -> Option<bool> {
        let (head, is_stored) = match kept {
            Kept::Stored(head) => (*head, true),
            Kept::Changed(head) => (*head, false),
            Kept::Lost => return None,
        };
        if head.cancel_requested {
            self.stop = Some(Stop::Cancelled);
        }
        self.round.head = head;
        Some(is_stored)
    }

    /// Notices that the time of the round or of the invocation is over.
    fn notice_limits(&mut self) {
        if self.stop.is_none() {
            let is_leaving = self.round.invocation.remaining() < LEAVE;
            let leaves = is_leaving.then_some(Stop::Leaves(0));
            self.stop = self.round.must_end().or(leaves);
        }
    }

    /// Whether calls under way are broken off.
    fn is_broken_off(&self) -> bool {
        match &self.stop {
            Some(Stop::Cancelled | Stop::Fails { now: true, .. }) => true,
            Some(Stop::Leaves(_)) => self.round.invocation.remaining() < BREAK_OFF,
            Some(Stop::Fails { .. }) | None => false,
        }
    }

    /// Breaks all calls off, which closes their connections. Their items keep what they cost.
    async fn break_off(&mut self) -> Result<(), Problem> {
        self.calls.clear();
        let broken_off = match &self.stop {
            Some(Stop::Fails { error, .. }) => (ItemStatus::Failed, Some(error.clone())),
            Some(Stop::Leaves(_)) => (ItemStatus::Pending, None),
            Some(Stop::Cancelled) | None => (ItemStatus::Cancelled, None),
        };
        let worker = self.round.worker;
        for (index, watched) in std::mem::take(&mut self.watched) {
            let so_far = watched.so_far();
            let texts = store(&worker.texts, &self.round.head.user_id, &so_far).await?;
            let result = Ok(Accepted::default());
            let answered = Answered { index, result, so_far, latency_ms: 0, texts };
            self.ended.push(Ending { answered, broken_off: Some(broken_off.clone()) });
        }
        Ok(())
    }

    /// What can be done next, if the job is so.
    fn next(&self, head: &Head) -> Next {
        let left = head.hold.as_ref().map(|hold| hold.cost.less(head.cost_of_round()));
        self.board.next(left, |index| self.worst_of(index))
    }

    /// The item that can begin now, if the job is so.
    fn beginnable(&self, head: &Head) -> Option<u32> {
        let has_room = self.board.running() < self.pace.parallel();
        // What was left running counts against the hold first.
        if self.stop.is_some() || !self.lost.is_empty() || self.is_paused() || !has_room {
            return None;
        }
        match self.next(head) {
            Next::Begin(index) => Some(index),
            Next::Wait | Next::Short | Next::Done => None,
        }
    }

    /// Whether the provider is given a rest.
    fn is_paused(&self) -> bool {
        Instant::now() < self.pace.begins_at()
    }

    /// The worst case of an item.
    fn worst_of(&self, index: u32) -> Cost {
        let nanos = self.worst.get(index as usize).copied();
        nanos.map_or(Cost::ZERO, Cost::from_nanos)
    }

    /// Stores what calls gave, and what begins then, in one transaction. Then it makes the calls
    /// that begin. Gives whether another worker has the job.
    async fn store(&mut self) -> Result<bool, Problem> {
        let mut after = self.round.head.changed(|_| {});
        let (mut items, mut events) = (Vec::new(), Vec::new());
        let lost = self.lost.len().min(MOST_ENDED);
        for state in self.lost.drain(..lost).collect::<Vec<_>>() {
            self.recall(state.index).await?;
            let (item, event) = self.give_up(&mut after, &state);
            items.push(item);
            events.push(event);
        }
        let ended = self.ended.len().min(MOST_ENDED);
        for ending in self.ended.drain(..ended).collect::<Vec<_>>() {
            let (item, event) = self.settle(&mut after, ending);
            items.push(item);
            events.extend(event);
        }
        let mut begun = Vec::new();
        while begun.len() < MOST_BEGUN
            && let Some(index) = self.beginnable(&after)
        {
            let slot = self.board.begin(index, self.worst_of(index));
            after.counts.shift(ItemStatus::Pending, ItemStatus::Running, slot.units);
            self.recall(index).await?;
            // An item that is tried again at once is written once.
            items.retain(|item: &Item| item.state.index != index);
            items.push(self.item(index));
            begun.push(index);
        }
        if items.is_empty() {
            return Ok(false);
        }
        let mut before = self.round.head.clone();
        loop {
            let kept =
                self.round.worker.ledger.commit(&before, after.clone(), &items, &events).await?;
            if let Kept::Changed(found) = &kept {
                before.clone_from(found);
                after.revision = found.revision + 1;
                after.cancel_requested = found.cancel_requested;
            }
            match self.adopt(kept) {
                Some(true) => break,
                Some(false) => {}
                None => return Ok(true),
            }
        }
        for index in begun {
            self.begin(index);
        }
        Ok(false)
    }

    /// Reads what is kept of an item of an earlier round, before an attempt replaces it.
    async fn recall(&mut self, index: u32) -> Result<(), Problem> {
        let head = &self.round.head;
        if head.round > 1 && !self.earlier.contains_key(&index) {
            let earlier = self.round.worker.items.get(&head.id, index).await?;
            let kept = self.work.kept(index, earlier);
            self.earlier.extend(kept.map(|kept| (index, kept)));
        }
        Ok(())
    }

    /// Makes the call of an item that has begun.
    fn begin(&mut self, index: u32) {
        let (worker, work) = (self.round.worker, self.work);
        let user_id = self.round.head.user_id.clone();
        let watched = Watched::default();
        self.watched.insert(index, watched.clone());
        let bound = Bound { pricing: worker.pricing.as_ref(), worst: self.worst_of(index) };
        let made = async move {
            call(work, index, (&*worker.provider, &worker.texts, &user_id), bound, watched).await
        };
        self.calls.push(made.boxed());
    }

    /// Bills an attempt whose worker has died at its worst case. The item is tried again, unless its
    /// attempts are used up.
    fn give_up(&mut self, after: &mut Head, state: &ItemState) -> (Item, AuditDetails) {
        let is_over = state.attempts >= MOST_ATTEMPTS;
        let status = if is_over { ItemStatus::Failed } else { ItemStatus::Pending };
        let used = Used { cost: state.worst, is_estimated: true, ..Used::default() };
        let slot = self.board.end(state.index, status, used);
        after.counts.shift(ItemStatus::Running, status, slot.units);
        let prompt = self.work.prompt(state.index);
        let model = self.round.worker.provider.model().to_owned();
        bill(after, &model, &prompt, used, is_over);
        let mut item = self.item(state.index);
        if is_over {
            item.state.failed += slot.units;
            item.error = Some(JobError::of(ErrorCode::Interrupted));
        }
        let event = details(after, &item, &prompt, used, Some(&model));
        (item, event.detail("interrupted", true))
    }

    /// Takes what a call gave: into the board, the job, its item and its event.
    fn settle(&mut self, after: &mut Head, ending: Ending) -> (Item, Option<AuditDetails>) {
        let Ending { answered, broken_off } = ending;
        let Answered { index, result, so_far, latency_ms, texts } = answered;
        let SoFar { model, usage: tokens, .. } = so_far;
        let provider = &self.round.worker.provider;
        let is_estimated = tokens != Usage::default()
            && (broken_off.is_some() || matches!(result, Err(Failed::Provider(_))));
        let cost = model.as_deref().map_or(Cost::ZERO, |model| provider.cost(model, &tokens));
        let used = Used { tokens, cost, is_estimated };
        let before = self.board.slot(index);
        let (status, accepted) = match (broken_off, result) {
            (Some((status, error)), _) => (status, Accepted { error, ..Accepted::default() }),
            (None, Ok(accepted)) => {
                self.pace.answered();
                let has_some = before.succeeded + accepted.succeeded > 0;
                (if has_some { ItemStatus::Succeeded } else { ItemStatus::Failed }, accepted)
            }
            (None, Err(failed)) => self.failed(index, failed, tokens != Usage::default()),
        };
        let slot = self.board.end(index, status, used);
        let good = accepted.succeeded.min(slot.units);
        let others = match status {
            ItemStatus::Succeeded => ItemStatus::Failed,
            status => status,
        };
        after.counts.shift(ItemStatus::Running, ItemStatus::Succeeded, good);
        after.counts.shift(ItemStatus::Running, others, slot.units - good);
        let prompt = self.work.prompt(index);
        if let Some(model) = &model {
            bill(after, model, &prompt, used, status == ItemStatus::Failed);
        }
        let mut item = self.item(index);
        if status.has_ended() {
            item.state.succeeded += good;
            item.state.failed += slot.units - good;
            self.earlier.remove(&index);
        }
        item.result = accepted.result.or(item.result);
        item.error = accepted.error;
        item.latency_ms = Some(latency_ms);
        let event = model.as_deref().map(|model| {
            let event = details(after, &item, &prompt, used, Some(model));
            texts.into_iter().fold(event, AuditDetails::texts)
        });
        item.model = model;
        (item, event)
    }

    /// What an item becomes whose call has failed, and what that means for the round.
    fn failed(&mut self, index: u32, failed: Failed, is_paid: bool) -> (ItemStatus, Accepted) {
        let fails =
            |error| (ItemStatus::Failed, Accepted { error: Some(error), ..Accepted::default() });
        let (wait, code) = match failed {
            Failed::Item(error) => {
                if is_paid {
                    self.pace.answered();
                }
                return fails(error);
            }
            Failed::Job(error) => {
                self.stop.get_or_insert(Stop::Fails { error: error.clone(), now: true });
                return fails(error);
            }
            Failed::Store(problem) => {
                let job_id = &self.round.head.id;
                tracing::error!(job_id, index, code = %problem.code, "failed to make a call");
                (Some(OUTAGE), ErrorCode::Interrupted)
            }
            Failed::Provider(error) => {
                if !is_counted(error.fault, is_paid, self.board.is_only(index)) {
                    self.board.uncount(index);
                }
                let code = match error.fault {
                    Fault::RateLimited => ErrorCode::ProviderRateLimited,
                    _ => ErrorCode::ProviderUnavailable,
                };
                (self.pace.failed(&error, is_paid, Instant::now()), code)
            }
        };
        if let Some(wait) = wait {
            self.leave_for(wait);
        }
        if self.board.slot(index).attempts < MOST_ATTEMPTS {
            return (ItemStatus::Pending, Accepted::default());
        }
        fails(JobError::of(code))
    }

    /// Leaves the job for so long, but not beyond the end of its round.
    fn leave_for(&mut self, wait: Duration) {
        let Round { worker, head, .. } = &*self.round;
        let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let until = worker.clock.now().as_millisecond().saturating_add(wait);
        let until = until.min(head.ends_at());
        self.stop.get_or_insert(Stop::Leaves(until));
    }

    /// An item as the board has it, with its earlier result if it has one.
    fn item(&self, index: u32) -> Item {
        let (head, slot) = (&self.round.head, self.board.slot(index));
        let worst = self.worst_of(index);
        let state = ItemState {
            index,
            status: slot.status,
            epoch: head.epoch,
            round: head.round,
            attempts: slot.attempts,
            worst,
            succeeded: slot.succeeded,
            failed: slot.failed,
            usage: slot.usage,
            cost: slot.cost,
            estimated: slot.estimated,
        };
        Item {
            job_id: head.id.clone(),
            state,
            result: self.earlier.get(&index).cloned(),
            error: None,
            model: None,
            latency_ms: None,
            expires_at: head.expires_at,
        }
    }
}

/// Adds what an attempt took to the job.
fn bill(after: &mut Head, model: &str, prompt: &Pinned, used: Used, has_failed: bool) {
    after.usage += used.tokens;
    after.cost += used.cost;
    if used.tokens == Usage::default() && used.cost == Cost::ZERO {
        return;
    }
    let spent = after.spent.entry(Spent::key(model, prompt));
    let spent = spent.or_insert_with(|| Spent::nothing(model, prompt));
    spent.requests += 1;
    spent.failed += u64::from(has_failed);
    spent.tokens += used.tokens;
    spent.cost += used.cost;
}

/// The event of an attempt.
fn details(
    head: &Head,
    item: &Item,
    prompt: &Pinned,
    used: Used,
    model: Option<&str>,
) -> AuditDetails {
    let state = &item.state;
    let details = AuditDetails::action("job.item")
        .resource("job", &head.id)
        .detail("index", state.index)
        .detail("status", state.status.as_str())
        .detail("attempt", state.attempts)
        .detail("prompt", prompt.name.as_str())
        .detail("prompt_version", prompt.version)
        .detail("input_tokens", used.tokens.input_tokens)
        .detail("output_tokens", used.tokens.output_tokens)
        .detail("cache_read_tokens", used.tokens.cache_read_tokens)
        .detail("cache_write_tokens", used.tokens.cache_write_tokens)
        .detail("cost_usd", used.cost.to_string())
        .failed(state.status == ItemStatus::Failed);
    let details = model.into_iter().fold(details, |details, model| details.detail("model", model));
    item.error.iter().fold(details, |details, error| details.detail("code", error.code.as_str()))
}

/// Time until the next look at a job.
fn look_after(settings: Settings) -> Duration {
    LOOK.min(settings.lease / 4)
}
