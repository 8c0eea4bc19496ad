//! When the checkpoints of a draft are due, and the work that some of them have besides.

use std::time::Duration;

use tokio::time::Instant;

/// Time between the end of a checkpoint and the next one. Each stores new frames and reads the
/// commands of other functions. So a cancelled reply stops within half a second, unless the store
/// is slow.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(350);

/// Seconds for which a worker counts as alive after it has said so. `expire-replies` runs once a
/// minute, so subscribers learn of a worker's death within 90 s.
pub const ALIVE_SECONDS: i64 = 25;

/// Time after which a worker says again that it is alive, if it has nothing else to store. A store
/// that does not answer for the rest of [`ALIVE_SECONDS`] ends no reply.
const ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Time between two checks that the session or API key that asked for the reply is still valid.
const CREDENTIAL_INTERVAL: Duration = Duration::from_secs(2);

/// The times of the next checkpoint and of the next rarer tasks.
pub struct Schedule {
    checkpoint: Instant,
    alive: Instant,
    credential: Instant,
}

/// The rarer tasks of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tasks {
    /// It says that the worker is alive.
    pub say_alive: bool,
    /// It checks that the session or API key is still valid.
    pub check_credential: bool,
}

impl Schedule {
    /// The first checkpoint is due at `now`, and only reads.
    pub fn new(now: Instant) -> Self {
        Self {
            checkpoint: now,
            alive: now + CHECKPOINT_INTERVAL,
            credential: now + CREDENTIAL_INTERVAL,
        }
    }

    /// When the next checkpoint is due.
    pub fn due(&self) -> Instant {
        self.checkpoint
    }

    /// The tasks of a checkpoint that begins at `now`.
    pub fn tasks(&self, now: Instant) -> Tasks {
        Tasks { say_alive: self.alive <= now, check_credential: self.credential <= now }
    }

    /// Notes the end of a checkpoint, and the tasks that it has done since it began. The next one
    /// is due an interval after the end. So the worker reads the model between two checkpoints,
    /// even if each takes longer than the interval.
    pub fn end(&mut self, began: Instant, ended: Instant, done: Tasks) {
        self.checkpoint = ended + CHECKPOINT_INTERVAL;
        if done.say_alive {
            self.alive = began + ALIVE_INTERVAL;
        }
        if done.check_credential {
            self.credential = began + CREDENTIAL_INTERVAL;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_checkpoint_leaves_as_much_time_for_the_model_as_a_fast_one() {
        let mut schedule = Schedule::new(Instant::now());
        for took in [0, 10, 350, 351, 8_000].map(Duration::from_millis) {
            let began = schedule.due();
            let ended = began + took;
            schedule.end(began, ended, schedule.tasks(began));
            assert_eq!(schedule.due(), ended + CHECKPOINT_INTERVAL, "{took:?}");
        }
    }

    #[test]
    fn a_task_that_failed_is_due_again_at_the_next_checkpoint() {
        let mut schedule = Schedule::new(Instant::now());
        let tasks = |say_alive, check_credential| Tasks { say_alive, check_credential };
        let mut checkpoint = |after: u64, done| {
            let began = schedule.due() + Duration::from_secs(after);
            let due = schedule.tasks(began);
            schedule.end(began, began, done);
            due
        };
        for (after, due, done) in [
            (0, tasks(false, false), tasks(false, false)),
            (0, tasks(true, false), tasks(false, false)),
            (0, tasks(true, false), tasks(true, false)),
            (2, tasks(false, true), tasks(false, false)),
            (0, tasks(false, true), tasks(false, true)),
            (0, tasks(false, false), tasks(false, false)),
            (10, tasks(true, true), tasks(true, true)),
        ] {
            assert_eq!(checkpoint(after, done), due);
        }
    }
}
