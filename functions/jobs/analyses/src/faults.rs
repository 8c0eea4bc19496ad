//! Faults at several places of a body.

use std::collections::BTreeSet;

use platform::Problem;
use platform::problem::{Code, FieldError};

/// Faults that an answer names, at most.
const NAMED_FAULTS: usize = 20;

/// Faults found so far, each once. The first ones are named, and the others only counted.
#[derive(Debug, Default)]
pub struct Faults {
    found: BTreeSet<(String, String)>,
    named: Vec<FieldError>,
}

impl Faults {
    /// Adds the faults of a 422, whose pointers are below `place`. Any other problem ends the
    /// search.
    pub fn add(&mut self, place: &str, problem: Problem) -> Result<(), Problem> {
        if problem.code != Code::ValidationFailed {
            return Err(problem);
        }
        for FieldError { pointer, detail, .. } in problem.errors {
            let pointer = format!("{place}{}", pointer.unwrap_or_default());
            let is_new = self.found.insert((pointer.clone(), detail.clone()));
            if is_new && self.named.len() < NAMED_FAULTS {
                self.named.push(FieldError { pointer: Some(pointer), parameter: None, detail });
            }
        }
        Ok(())
    }

    /// Ends the search: a 422 if there are faults.
    pub fn end(mut self) -> Result<(), Problem> {
        let more = self.found.len() - self.named.len();
        if more > 0 {
            // RFC 6901: the empty pointer means the whole document.
            let detail = format!("has {more} more faults");
            self.named.push(FieldError { pointer: Some(String::new()), parameter: None, detail });
        }
        if self.named.is_empty() { Ok(()) } else { Err(Problem::validation_failed(self.named)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(faults: Faults) -> Vec<String> {
        let errors = faults.end().err().map(|problem| problem.errors).unwrap_or_default();
        errors.into_iter().filter_map(|error| error.pointer).collect()
    }

    #[test]
    fn faults_are_named_with_their_place_and_once() {
        assert_eq!(Faults::default().end(), Ok(()));
        let mut faults = Faults::default();
        for (place, field) in [("/cases/0", "a"), ("/cases/3", "a"), ("/cases/0", "a")] {
            faults.add(place, Problem::invalid_field(field, "is required")).unwrap();
        }
        assert_eq!(pointers(faults), ["/cases/0/a", "/cases/3/a"]);
        let unavailable = Faults::default().add("/cases/0", Problem::unavailable());
        assert_eq!(unavailable, Err(Problem::unavailable()));
    }

    #[test]
    fn a_great_many_faults_are_counted() {
        let mut faults = Faults::default();
        for case in 0..50 {
            let problem = Problem::invalid_field("variables", "is wrong");
            faults.add(&format!("/cases/{case}"), problem).unwrap();
        }
        let problem = faults.end().unwrap_err();
        assert_eq!(problem.errors.len(), 21);
        assert_eq!(problem.errors[20].pointer.as_deref(), Some(""));
        assert_eq!(problem.errors[20].detail, "has 30 more faults");
    }
}
