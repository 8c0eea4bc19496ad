//! Where an item of an evaluation stands: its version, its case and its repetition.

use tally_jobs::domain::EvaluationWork;

/// The place of an item, each part counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Position among the versions.
    pub version: usize,
    /// Position among the cases.
    pub case: usize,
    /// Number of the repetition.
    pub repetition: usize,
}

impl Place {
    /// The place of the item with this index: see [`EvaluationWork`]. Its version may be one too
    /// many if there is no such item.
    pub fn of(index: u32, work: &EvaluationWork) -> Self {
        let repeat = (work.repeat as usize).max(1);
        let (rest, repetition) = (index as usize / repeat, index as usize % repeat);
        let cases = work.cases.len().max(1);
        Self { version: rest / cases, case: rest % cases, repetition }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tally_jobs::domain::{Case, Work};
    use tally_prompts::domain::Values;

    fn work(versions: usize, cases: usize, repeat: u32) -> EvaluationWork {
        let case = Case { variables: Values::default(), input: "a".into(), expect: None };
        EvaluationWork {
            versions: (0..).take(versions).collect(),
            cases: vec![case; cases],
            checks: Vec::new(),
            repeat,
        }
    }

    #[test]
    fn each_index_has_its_place() {
        for (versions, cases, repeat) in [(1, 1, 1), (2, 3, 1), (2, 1, 5), (3, 4, 2), (5, 200, 5)] {
            let work = work(versions, cases, repeat);
            let mut index = 0;
            for version in 0..versions {
                for case in 0..cases {
                    for repetition in 0..repeat as usize {
                        let expected = Place { version, case, repetition };
                        assert_eq!(Place::of(index, &work), expected, "{index}");
                        index += 1;
                    }
                }
            }
            assert_eq!(Place::of(index, &work).version, versions);
            assert_eq!(Work::Evaluation(work).items(), index);
        }
    }
}
