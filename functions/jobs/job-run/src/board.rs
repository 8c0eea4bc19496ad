//! Which items of a job wait, run and have ended, and what the hold still pays for. It is all in
//! memory, and calls nothing.

use std::collections::{BTreeMap, VecDeque};

use assistant::domain::{Cost, Usage};
use tally_jobs::domain::ItemStatus;
use tally_jobs::store::{Head, ItemState};

/// Attempts at an item in a round, at most.
pub const MOST_ATTEMPTS: u32 = 3;

/// The items of a round.
#[derive(Debug)]
pub struct Board {
    slots: Vec<Slot>,
    /// The items that wait, in the order in which they begin.
    waiting: VecDeque<u32>,
    /// The item that waits for all others.
    last: Option<u32>,
    /// What each item under way costs at worst.
    running: BTreeMap<u32, Cost>,
}

/// What is known of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Its state in this round.
    pub status: ItemStatus,
    /// Attempts in this round.
    pub attempts: u32,
    /// What an attempt works on: 1, or rows.
    pub units: u32,
    /// Rows, or 1, that have a result before the attempt.
    pub succeeded: u32,
    /// Rows, or 1, that have none and are not part of an attempt.
    pub failed: u32,
    /// Tokens of all attempts.
    pub usage: Usage,
    /// Cost of all attempts.
    pub cost: Cost,
    /// Whether tokens and cost are estimated, because an attempt did not end.
    pub estimated: bool,
}

/// What an attempt takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Its tokens.
    pub tokens: Usage,
    /// Its cost.
    pub cost: Cost,
    /// Whether they are estimated.
    pub is_estimated: bool,
}

/// What a worker can do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Begin this item.
    Begin(u32),
    /// Wait until an item under way has ended.
    Wait,
    /// The hold pays for none of the items that wait.
    Short,
    /// Nothing waits and nothing runs.
    Done,
}

/// What the work says of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// What an attempt works on.
    pub units: u32,
    /// Whether it waits for all others.
    pub is_last: bool,
    /// Whether this round is for it.
    pub is_wanted: bool,
}

impl Board {
    /// The items of a round, as earlier workers have left them. Gives also those that an earlier
    /// worker has left running. `units` is what each item counts as in all: 1, or its rows. `about`
    /// tells of an item with its state, if it has been begun.
    pub fn new(
        head: &Head,
        states: Vec<ItemState>,
        units: &[u32],
        about: impl Fn(u32, Option<&ItemState>) -> About,
    ) -> (Self, Vec<ItemState>) {
        let mut known: BTreeMap<_, _> =
            states.into_iter().map(|state| (state.index, state)).collect();
        let (mut waiting, mut last, mut left) = (VecDeque::new(), None, Vec::new());
        let slot = |index: u32| {
            let state = known.remove(&index);
            let about = about(index, state.as_ref());
            let all = units.get(index as usize).copied().unwrap_or_default();
            let mut slot = Slot::of(state.as_ref(), about.units, all);
            let is_current = state.as_ref().is_some_and(|state| state.round == head.round);
            if !is_current {
                slot.attempts = 0;
                let has_result = slot.status == ItemStatus::Succeeded;
                slot.status = match state.as_ref().is_some_and(|state| state.failed == 0) {
                    true if has_result => ItemStatus::Succeeded,
                    _ if about.is_wanted => ItemStatus::Pending,
                    _ if has_result => ItemStatus::Succeeded,
                    _ => ItemStatus::Failed,
                };
            }
            match slot.status {
                ItemStatus::Running => left.extend(state),
                ItemStatus::Pending if about.is_last => last = Some(index),
                ItemStatus::Pending => waiting.push_back(index),
                _ => {}
            }
            slot
        };
        let slots = (0..head.items).map(slot).collect();
        (Self { slots, waiting, last, running: BTreeMap::new() }, left)
    }

    /// What is known of an item.
    pub fn slot(&self, index: u32) -> Slot {
        self.slots[index as usize]
    }

    /// Number of items under way.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// The items that have ended, in order.
    pub fn ended(&self) -> impl Iterator<Item = u32> {
        let has_ended = |(_, slot): &(u32, &Slot)| slot.status.has_ended();
        (0..).zip(&self.slots).filter(has_ended).map(|(index, _)| index)
    }

    /// The next step. `left` is what is left of the hold beside the items under way; `None` where
    /// calls cost nothing. `worst` is the worst case of an item.
    pub fn next(&self, left: Option<Cost>, worst: impl Fn(u32) -> Cost) -> Next {
        let held = self.running.values().fold(Cost::ZERO, |mut sum, cost| {
            sum += *cost;
            sum
        });
        let fits = |index: &u32| left.is_none_or(|left| worst(*index) <= left.less(held));
        let is_idle = self.running.is_empty();
        let mut candidates = self.waiting.iter().chain(&self.last).peekable();
        if candidates.peek().is_none() {
            return if is_idle { Next::Done } else { Next::Wait };
        }
        let is_turn =
            |index: &&u32| Some(**index) != self.last || (is_idle && self.waiting.is_empty());
        match candidates.filter(is_turn).find(|index| fits(index)) {
            Some(index) => Next::Begin(*index),
            None if is_idle => Next::Short,
            None => Next::Wait,
        }
    }

    /// Begins an item. Gives what an attempt works on.
    pub fn begin(&mut self, index: u32, worst: Cost) -> Slot {
        // It mostly stands first.
        if let Some(at) = self.waiting.iter().position(|waiting| *waiting == index) {
            self.waiting.remove(at);
        }
        self.last = self.last.filter(|last| *last != index);
        self.running.insert(index, worst);
        let slot = &mut self.slots[index as usize];
        slot.status = ItemStatus::Running;
        slot.attempts += 1;
        *slot
    }

    /// Ends the attempt at an item, which takes this usage. A pending item is tried again, after
    /// those that wait.
    pub fn end(&mut self, index: u32, status: ItemStatus, used: Used) -> Slot {
        self.running.remove(&index);
        let slot = &mut self.slots[index as usize];
        slot.status = status;
        slot.usage += used.tokens;
        slot.cost += used.cost;
        slot.estimated |= used.is_estimated;
        if status == ItemStatus::Pending {
            self.waiting.push_back(index);
        }
        *slot
    }

    /// Whether no other item waits or runs, apart from the one that waits for all others.
    pub fn is_only(&self, index: u32) -> bool {
        self.waiting.is_empty() && self.running.keys().all(|running| *running == index)
    }

    /// Takes back an attempt that tells nothing of the item: it does not count.
    pub fn uncount(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.attempts = slot.attempts.saturating_sub(1);
    }
}

impl Slot {
    /// What is known of an item by its last attempt. An attempt now is for `units` of `all` that it
    /// counts as. Those that have no result and are not part of it stay without one.
    fn of(state: Option<&ItemState>, units: u32, all: u32) -> Self {
        let succeeded = state.map_or(0, |state| state.succeeded);
        Self {
            status: state.map_or(ItemStatus::Pending, |state| state.status),
            attempts: state.map_or(0, |state| state.attempts),
            units,
            succeeded,
            failed: all.saturating_sub(succeeded + units),
            usage: state.map(|state| state.usage).unwrap_or_default(),
            cost: state.map_or(Cost::ZERO, |state| state.cost),
            estimated: state.is_some_and(|state| state.estimated),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::head;

    const ONE: About = About { units: 1, is_last: false, is_wanted: true };

    fn cost(nanos: i64) -> Cost {
        Cost::from_nanos(nanos)
    }

    /// The state of an item of one unit after an attempt in this round.
    fn state(index: u32, status: ItemStatus, round: u32) -> ItemState {
        ItemState {
            index,
            status,
            epoch: 1,
            round,
            attempts: 2,
            worst: cost(10),
            succeeded: u32::from(status == ItemStatus::Succeeded),
            failed: u32::from(matches!(status, ItemStatus::Failed | ItemStatus::Cancelled)),
            usage: Usage::default(),
            cost: cost(3),
            estimated: false,
        }
    }

    /// The board of a first round of so many items. The last one waits for all others.
    fn board(items: u32) -> Board {
        let about = |index, _: Option<&ItemState>| About { is_last: index + 1 == items, ..ONE };
        let (board, lost) = Board::new(&head(items), Vec::new(), &vec![1; items as usize], about);
        assert_eq!(lost, []);
        board
    }

    fn next(board: &Board) -> Next {
        board.next(None, |_| Cost::ZERO)
    }

    /// Begins the item whose turn it is, which must be this one.
    fn begin(board: &mut Board, index: u32) {
        assert_eq!(next(board), Next::Begin(index));
        board.begin(index, cost(10));
    }

    fn end(board: &mut Board, index: u32, status: ItemStatus) {
        board.end(index, status, Used::default());
    }

    #[test]
    fn items_begin_in_order_and_the_last_one_when_all_others_have_ended() {
        let mut board = board(4);
        for index in 0..3 {
            begin(&mut board, index);
        }
        assert_eq!((next(&board), board.running()), (Next::Wait, 3));
        end(&mut board, 1, ItemStatus::Succeeded);
        end(&mut board, 2, ItemStatus::Failed);
        assert_eq!(board.ended().collect::<Vec<_>>(), [1, 2]);
        // One that is tried again comes before the last one.
        end(&mut board, 0, ItemStatus::Pending);
        begin(&mut board, 0);
        assert_eq!(next(&board), Next::Wait);
        end(&mut board, 0, ItemStatus::Succeeded);
        begin(&mut board, 3);
        assert_eq!(next(&board), Next::Wait);
        end(&mut board, 3, ItemStatus::Pending);
        begin(&mut board, 3);
        end(&mut board, 3, ItemStatus::Succeeded);
        assert_eq!((next(&board), board.running()), (Next::Done, 0));
        assert_eq!(board.ended().count(), 4);
    }

    #[test]
    fn an_item_that_is_tried_again_comes_after_those_that_wait() {
        let mut board = board(4);
        begin(&mut board, 0);
        end(&mut board, 0, ItemStatus::Pending);
        for index in [1, 2, 0] {
            begin(&mut board, index);
        }
        assert_eq!(board.slot(0).attempts, 2);
        assert_eq!(board.slot(1).attempts, 1);
    }

    #[test]
    fn an_item_begins_if_the_hold_pays_for_it_beside_those_under_way() {
        // Worst cases of three items; the last one waits for the others.
        let worst = [30, 10, 20];
        let worst = |index: u32| cost(worst[index as usize]);
        // Items under way, what is left of the hold beside their worst cases, and what is next.
        for (running, left, expected) in [
            (&[][..], 30, Next::Begin(0)),
            (&[], 29, Next::Begin(1)),
            (&[], 10, Next::Begin(1)),
            (&[], 9, Next::Short),
            (&[], 0, Next::Short),
            (&[1], 40, Next::Begin(0)),
            (&[1], 39, Next::Wait),
            (&[0], 40, Next::Begin(1)),
            (&[0], 39, Next::Wait),
            (&[0, 1], 1_000, Next::Wait),
        ] {
            let mut board = board(3);
            for index in running {
                board.begin(*index, worst(*index));
            }
            assert_eq!(board.next(Some(cost(left)), worst), expected, "{running:?} {left}");
        }
        let mut board = board(3);
        for index in [0, 1] {
            board.begin(index, worst(index));
            end(&mut board, index, ItemStatus::Succeeded);
        }
        assert_eq!(board.next(Some(cost(20)), worst), Next::Begin(2));
        assert_eq!(board.next(Some(cost(19)), worst), Next::Short);
        assert_eq!(board.next(None, worst), Next::Begin(2));
    }

    #[test]
    fn attempts_add_up_and_those_that_do_not_count_are_taken_back() {
        let mut board = board(2);
        let tokens = Usage { input_tokens: 5, output_tokens: 2, ..Usage::default() };
        for (cost_nanos, is_estimated) in [(3, false), (4, true), (5, false)] {
            board.begin(0, cost(10));
            let used = Used { tokens, cost: cost(cost_nanos), is_estimated };
            board.end(0, ItemStatus::Pending, used);
        }
        let slot = board.slot(0);
        assert_eq!((slot.attempts, slot.cost, slot.estimated), (3, cost(12), true));
        assert_eq!((slot.usage.input_tokens, slot.usage.output_tokens), (15, 6));
        for expected in [2, 1, 0, 0] {
            board.uncount(0);
            assert_eq!(board.slot(0).attempts, expected);
        }
    }

    #[test]
    fn an_item_is_the_only_one_if_nothing_else_waits_or_runs() {
        let mut board = board(3);
        board.begin(0, cost(10));
        assert!(!board.is_only(0), "another one waits");
        board.begin(1, cost(10));
        assert!(!board.is_only(0), "another one runs");
        end(&mut board, 1, ItemStatus::Succeeded);
        assert!(board.is_only(0), "the last one waits for it");
        end(&mut board, 0, ItemStatus::Succeeded);
        board.begin(2, cost(10));
        assert!(board.is_only(2));
    }

    #[test]
    fn a_worker_goes_on_where_an_earlier_one_or_an_earlier_round_has_left_an_item() {
        use ItemStatus::{Cancelled, Failed, Pending, Running, Succeeded};
        // Round and state of the last attempt, whether the second round is for the item; its state
        // in it and its attempts, and whether its worker has died.
        for (last, is_wanted, status, attempts, is_lost) in [
            (None, true, Pending, 0, false),
            (None, false, Failed, 0, false),
            (Some((1, Succeeded)), true, Succeeded, 0, false),
            (Some((1, Failed)), true, Pending, 0, false),
            (Some((1, Failed)), false, Failed, 0, false),
            (Some((1, Cancelled)), true, Pending, 0, false),
            (Some((1, Pending)), true, Pending, 0, false),
            (Some((1, Running)), true, Pending, 0, false),
            (Some((2, Succeeded)), true, Succeeded, 2, false),
            (Some((2, Failed)), true, Failed, 2, false),
            (Some((2, Pending)), true, Pending, 2, false),
            (Some((2, Running)), true, Running, 2, true),
        ] {
            let states: Vec<_> =
                last.map(|(round, status)| state(0, status, round)).into_iter().collect();
            let about = |_, _: Option<&ItemState>| About { is_wanted, ..ONE };
            let head = Head { round: 2, ..head(1) };
            let (board, lost) = Board::new(&head, states.clone(), &[1], about);
            let slot = board.slot(0);
            let case = format!("{last:?} {is_wanted}");
            assert_eq!((slot.status, slot.attempts), (status, attempts), "{case}");
            assert_eq!(lost, if is_lost { states } else { Vec::new() }, "{case}");
            assert_eq!(slot.cost, if last.is_some() { cost(3) } else { Cost::ZERO }, "{case}");
            let expected = match status {
                Pending => Next::Begin(0),
                _ => Next::Done,
            };
            assert_eq!(next(&board), expected, "{case}");
        }
    }

    #[test]
    fn rows_without_a_result_that_an_attempt_is_not_for_stay_without_one() {
        use ItemStatus::{Failed, Pending, Running, Succeeded};
        let of_rows = |status, round, succeeded, failed| {
            Some(ItemState { succeeded, failed, ..state(0, status, round) })
        };
        // An item of twenty rows in the second round: its last attempt, the rows that this round is
        // for, and its state with the rows that have a result and those that stay without one.
        for (last, units, is_wanted, expected) in [
            (None, 20, true, (Pending, 0, 0)),
            (None, 3, true, (Pending, 0, 17)),
            (of_rows(Succeeded, 1, 20, 0), 0, true, (Succeeded, 20, 0)),
            (of_rows(Succeeded, 1, 12, 8), 8, true, (Pending, 12, 0)),
            (of_rows(Succeeded, 1, 12, 8), 3, true, (Pending, 12, 5)),
            (of_rows(Succeeded, 1, 12, 8), 0, false, (Succeeded, 12, 8)),
            (of_rows(Failed, 1, 0, 20), 20, true, (Pending, 0, 0)),
            (of_rows(Failed, 1, 0, 20), 0, false, (Failed, 0, 20)),
            // The same item after its worker has died, and after a pause.
            (of_rows(Running, 2, 12, 5), 3, true, (Running, 12, 5)),
            (of_rows(Pending, 2, 12, 5), 3, true, (Pending, 12, 5)),
        ] {
            let about = |_, _: Option<&ItemState>| About { units, is_wanted, is_last: false };
            let head = Head { round: 2, ..head(1) };
            let (board, _) = Board::new(&head, last.clone().into_iter().collect(), &[20], about);
            let Slot { status, succeeded, failed, .. } = board.slot(0);
            assert_eq!((status, succeeded, failed), expected, "{last:?} {units}");
        }
    }
}
