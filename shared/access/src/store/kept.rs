//! The items of a workbook that a process keeps, by the version of the workbook's head.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that a process keeps, at most, as they are estimated.
const KEPT: usize = 32 * 1024 * 1024;

/// Bytes of an entry beside its items.
const ENTRY: usize = 200;

/// The newest version that a process has read, for each workbook.
#[derive(Debug)]
pub struct Kept<T>(Arc<Mutex<Entries<T>>>);

#[derive(Debug)]
struct Entries<T> {
    by_workbook: HashMap<String, Entry<T>>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry<T> {
    version: u64,
    items: Arc<[T]>,
    bytes: usize,
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        let entries = Entries { by_workbook: HashMap::new(), bytes: 0 };
        Self(Arc::new(Mutex::new(entries)))
    }
}

impl<T> Kept<T> {
    /// The items of a workbook under this version, if the process has kept them.
    pub fn get(&self, workbook: &str, version: u64) -> Option<Arc<[T]>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = kept.by_workbook.get(workbook).filter(|entry| entry.version == version)?;
        Some(Arc::clone(&entry.items))
    }

    /// Keeps the items of a version. `bytes` is about their size.
    pub fn keep(&self, workbook: &str, version: u64, items: &Arc<[T]>, bytes: usize) {
        let bytes = bytes.saturating_add(ENTRY);
        if bytes > KEPT {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = kept.by_workbook.remove(workbook) {
            kept.bytes -= before.bytes;
        }
        if kept.bytes + bytes > KEPT {
            kept.by_workbook.clear();
            kept.bytes = 0;
        }
        kept.bytes += bytes;
        let entry = Entry { version, items: Arc::clone(items), bytes };
        kept.by_workbook.insert(workbook.to_owned(), entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_is_kept_of_each_workbook() {
        let kept = Kept::default();
        kept.keep("w", 3, &Arc::from([1, 2]), 8);
        assert_eq!(kept.clone().get("w", 3).as_deref(), Some(&[1, 2][..]));
        assert_eq!((kept.get("w", 2), kept.get("w", 4), kept.get("x", 3)), (None, None, None));
        kept.keep("w", 4, &Arc::from([]), 0);
        assert_eq!((kept.get("w", 3), kept.get("w", 4).as_deref()), (None, Some(&[][..])));
    }

    #[test]
    fn what_is_kept_has_a_bounded_size() {
        let kept = Kept::default();
        let items: Arc<[i32]> = Arc::from([1]);
        for (number, bytes, is_kept) in [
            (0, KEPT / 2, true),
            (1, KEPT / 2 - 2 * ENTRY, true),
            (2, ENTRY, true),
            (3, KEPT, false),
            (4, usize::MAX, false),
        ] {
            kept.keep(&format!("w-{number}"), 1, &items, bytes);
            assert_eq!(kept.get(&format!("w-{number}"), 1).is_some(), is_kept, "{number}");
            assert!(kept.0.lock().unwrap().bytes <= KEPT);
        }
        // The third did not fit beside the first two.
        assert_eq!((kept.get("w-0", 1), kept.get("w-1", 1)), (None, None));
        // The same workbook again takes its own place.
        for version in 0..3 {
            kept.keep("w-5", version, &items, KEPT / 2);
        }
        assert!(kept.get("w-2", 1).is_some());
    }
}
