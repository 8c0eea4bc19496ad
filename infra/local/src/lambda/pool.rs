//! The processes of one function, and the invocations that wait for a process.
//!
//! A pool is one task with an inbox. It handles its events one after the other: an invocation, a
//! process that asks for work, an answer, an exit, a timer. So no state is shared and there are no
//! races.

#![expect(
    clippy::disallowed_methods,
    reason = "the rule that one module reads the wall clock is the functions'"
)]

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::message::{Invocation, Job, Message, Trial};
use super::process::{Exit, Launcher};
use super::state::{Process, State};
use super::{InvokeError, ProcessLimits};

pub(super) struct Pool {
    launcher: Launcher,
    timeout: Duration,
    limits: ProcessLimits,
    queue: VecDeque<Job>,
    processes: BTreeMap<String, Process>,
    exits: JoinSet<Exit>,
}

impl Pool {
    pub(super) fn new(launcher: Launcher, timeout: Duration, limits: ProcessLimits) -> Pool {
        Pool {
            launcher,
            timeout,
            limits,
            queue: VecDeque::new(),
            processes: BTreeMap::new(),
            exits: JoinSet::new(),
        }
    }

    /// Runs the pool until the stack ends.
    pub(super) async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Message>) {
        loop {
            let wake = self.next_deadline();
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(Message::Shutdown) | None => break,
                    Some(message) => self.handle(message),
                },
                Some(Ok(exit)) = self.exits.join_next() => self.exited(exit),
                () = sleep_until(wake) => self.expire(Instant::now()),
            }
            self.dispatch();
        }
        inbox.close();
        let running = self.processes.into_values().filter_map(|process| match process.state {
            State::Busy { job, .. } => job,
            _ => None,
        });
        for job in running.chain(self.queue) {
            finish(&self.launcher, job, Err(InvokeError::ShuttingDown));
        }
        while self.exits.join_next().await.is_some() {}
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Invoke(job) => self.queue.push_back(job),
            Message::Next { process, reply } => {
                // An unknown process is about to be killed. Its reply is dropped.
                let Some(known) = self.processes.get_mut(&process) else { return };
                match std::mem::replace(
                    &mut known.state,
                    State::Idle { next: reply, since: Instant::now() },
                ) {
                    State::Busy { job: Some(job), .. } => {
                        finish(
                            &self.launcher,
                            job,
                            Err(InvokeError::crashed("it asked for its next invocation")),
                        );
                    }
                    State::Starting { trial: Some(trial), .. } => {
                        self.processes.remove(&process);
                        let _ = trial.send(Ok(()));
                    }
                    _ => {}
                }
            }
            Message::Answer { process, request_id, outcome, accepted } => {
                let job = match self.processes.get_mut(&process).map(|process| &mut process.state) {
                    Some(State::Busy { job, .. }) => {
                        job.take_if(|job| job.request_id == request_id)
                    }
                    _ => None,
                };
                let _ = accepted.send(job.is_some());
                if let Some(job) = job {
                    finish(&self.launcher, job, outcome);
                }
            }
            Message::InitError { process, error } => {
                match self.processes.remove(&process).map(|process| process.state) {
                    Some(State::Starting { trial, .. }) => self.fail_start(trial, error),
                    Some(_) => self.fail_start(None, error),
                    None => {}
                }
            }
            Message::Kill => {
                for process in std::mem::take(&mut self.processes).into_values() {
                    if let State::Busy { job: Some(job), .. } = process.state {
                        finish(&self.launcher, job, Err(InvokeError::crashed("it was killed")));
                    }
                }
            }
            Message::Try(trial) => self.start_process(Some(trial)),
            Message::Shutdown => {}
        }
    }

    /// Gives waiting jobs to idle processes, and starts processes for those that are left.
    fn dispatch(&mut self) {
        self.queue.retain(|job| !job.reply.is_closed());
        self.fail_expired(Instant::now());
        while let Some(job) = self.queue.pop_front() {
            if let Err(job) = self.hand_over(job) {
                self.queue.push_front(job);
                break;
            }
        }
        let coming =
            self.processes.values().filter(|process| process.state.will_ask_soon()).count();
        let room = self.limits.per_function.saturating_sub(self.processes.len());
        for _ in 0..self.queue.len().saturating_sub(coming).min(room) {
            self.start_process(None);
        }
    }

    /// Fails the asynchronous invocations that have waited for too long.
    fn fail_expired(&mut self, now: Instant) {
        let (expired, waiting): (VecDeque<Job>, _) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition(|job| job.expires.is_some_and(|expires| expires <= now));
        self.queue = waiting;
        for job in expired {
            finish(&self.launcher, job, Err(InvokeError::Expired));
        }
    }

    fn hand_over(&mut self, job: Job) -> Result<(), Job> {
        while let Some(id) = self.latest_idle() {
            let Some(Process { state: State::Idle { next, .. }, alive }) =
                self.processes.remove(&id)
            else {
                break;
            };
            let invocation = Invocation {
                request_id: job.request_id.clone(),
                arn: job.arn.clone(),
                payload: job.payload.clone(),
                deadline: SystemTime::now() + self.timeout,
            };
            // If the process has gone since it asked, it leaves the map. Dropping its entry also
            // ends it.
            if next.send(invocation).is_ok() {
                let state = State::Busy { job: Some(job), until: Instant::now() + self.timeout };
                self.processes.insert(id, Process { state, alive });
                return Ok(());
            }
        }
        Err(job)
    }

    /// The process with the shortest idle time. So the surplus ones reach the idle limit and end.
    fn latest_idle(&self) -> Option<String> {
        let idle = self.processes.iter().filter_map(|(id, process)| match &process.state {
            State::Idle { since, .. } => Some((*since, id)),
            _ => None,
        });
        idle.max().map(|(_, id)| id.clone())
    }

    fn start_process(&mut self, trial: Option<Trial>) {
        let id = uuid::Uuid::new_v4().simple().to_string();
        // A trial reports the process's last words to its caller. So the terminal need not show
        // them once for each function.
        match self.launcher.start(&id, &mut self.exits, trial.is_none()) {
            Ok(alive) => {
                let state = State::Starting { until: Instant::now() + self.limits.start, trial };
                self.processes.insert(id, Process { state, alive });
            }
            Err(error) => self.fail_start(trial, InvokeError::NotStarted(error)),
        }
    }

    fn exited(&mut self, exit: Exit) {
        match self.processes.remove(&exit.process).map(|process| process.state) {
            Some(State::Busy { job: Some(job), .. }) => {
                finish(&self.launcher, job, Err(exit.error));
            }
            Some(State::Starting { trial, .. }) => self.fail_start(trial, exit.error),
            Some(State::Busy { .. } | State::Idle { .. }) | None => {}
        }
    }

    /// Ends the processes that have reached their time limit.
    fn expire(&mut self, now: Instant) {
        let idle = self.limits.idle;
        for (_, process) in self
            .processes
            .extract_if(.., |_, process| process.state.deadline(idle) <= now)
            .collect::<Vec<_>>()
        {
            match process.state {
                State::Busy { job: Some(job), .. } => {
                    finish(&self.launcher, job, Err(InvokeError::TimedOut(self.timeout)));
                }
                State::Starting { trial, .. } => {
                    let reason =
                        format!("it asked for no invocation within {:?}", self.limits.start);
                    self.fail_start(trial, InvokeError::NotStarted(reason));
                }
                State::Busy { .. } | State::Idle { .. } => {}
            }
        }
    }

    fn next_deadline(&self) -> Instant {
        let processes =
            self.processes.values().map(|process| process.state.deadline(self.limits.idle));
        let deadlines = processes.chain(self.queue.iter().filter_map(|job| job.expires));
        deadlines.min().unwrap_or_else(|| Instant::now() + self.limits.idle)
    }

    /// Fails the trial or the invocation that the process was started for. So a function that can't
    /// start fails each invocation once, and is not started over and over.
    fn fail_start(&mut self, trial: Option<Trial>, error: InvokeError) {
        if let Some(trial) = trial {
            let _ = trial.send(Err(error));
        } else if let Some(job) = self.queue.pop_front() {
            finish(&self.launcher, job, Err(error));
        }
    }
}

fn finish(launcher: &Launcher, job: Job, outcome: Result<Bytes, InvokeError>) {
    if let Err(error) = &outcome
        && !matches!(error, InvokeError::ShuttingDown)
    {
        launcher.log.note(&format!("request {}: {error}", job.request_id));
    }
    let _ = job.reply.send(outcome);
}
