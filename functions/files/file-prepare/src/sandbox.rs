//! The process that parses one file. The worker starts its own program a second time for it.
//!
//! A parser may want more memory than there is, recurse without end, run on, or panic. Then this
//! process dies alone, and the worker rejects the file. The process has no environment, so none of
//! the credentials of the function. It can open no file and no connection, also after it has closed
//! its streams. It cannot read the memory of the worker either, see [`shut`].

use std::env;
use std::io::{self, BufWriter, Read as _};

use rustix::process::{Resource, Rlimit, setrlimit};
use tally_files::domain::Reason;

use crate::frame;
use crate::split::split;

/// The argument that makes the program a parser. The media type of the file follows.
pub const ARGUMENT: &str = "parse";

/// Bytes of memory, at most. The function has 1,024 MB, and the worker holds the file and the parts
/// that it stores.
const MEMORY: u64 = 700 << 20;

/// Seconds of processor time, at most. The worker ends the process sooner, unless it dies itself.
const SECONDS: u64 = 60;

/// Files that the process may open. Its standard streams are open already, and stay so.
const FILES: u64 = 0;

/// Keeps memory and environment of the worker, which hold the credentials of the function, from its
/// parsers. They run as the same user, whom Linux would let read both.
pub fn shut() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// The media type of the file to parse, if this process is a parser.
pub fn media_type() -> Option<String> {
    let mut arguments = env::args().skip(1);
    (arguments.next()? == ARGUMENT).then(|| arguments.next())?
}

/// Parses the file on standard input, and answers on standard output. The worker counts a parser
/// without an answer as dead.
pub fn parse(media_type: &str) {
    let _ = answer(media_type);
}

fn answer(media_type: &str) -> io::Result<()> {
    confine()?;
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    let mut output = BufWriter::new(io::stdout().lock());
    let ended = split(&bytes, media_type, &mut |piece| {
        // The worker has gone. Writing the end fails too.
        frame::write_part(&mut output, piece).map_err(|_| Reason::Unreadable)
    });
    frame::write_end(&mut output, ended)
}

/// Gives up the resources that parsing does not need. Not every system knows each limit.
fn confine() -> io::Result<()> {
    let limits = [
        (Resource::As, MEMORY),
        (Resource::Cpu, SECONDS),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
        (Resource::Nofile, FILES),
    ];
    for (resource, most) in limits {
        let limited = setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
        if cfg!(target_os = "linux") {
            limited?;
        }
    }
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    use super::*;

    #[test]
    fn the_memory_of_a_worker_is_its_own() {
        shut().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
