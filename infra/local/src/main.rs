//! `cargo run`: builds the functions, starts the stack of template.yaml, and ends it on Ctrl-C.
//! `prompts` has the commands for prompts in files, which need no stack of this machine.

mod cli;
mod environment_file;
mod prompts;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use tally_local::Stack;
use tally_local::aws::{Outbox, State};
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use cli::{Cli, Command};
use environment_file::EnvironmentFile;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // Log lines of dependencies do not help a user of this command.
    let level = if cli.verbose { LevelFilter::INFO } else { LevelFilter::WARN };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .without_time()
        .with_writer(io::stderr)
        .log_internal_errors(false)
        .finish()
        // s3s logs each refusal as an error, also a refusal that the function expects.
        .with(Targets::new().with_default(level).with_target("s3s", LevelFilter::OFF))
        .init();
    match run(&cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<(), Box<dyn std::error::Error>> {
    if let Some(Command::Prompts(command)) = &cli.command {
        return Ok(prompts::run(command).await?);
    }
    tally_local::raise_open_files();
    let template = cli.template()?;
    if let Some(Command::Env { function }) = &cli.command {
        let variables = environment_file::variables(&cli.state_directory(&template), function)?;
        return Ok(io::stdout().write_all(variables.as_bytes())?);
    }
    let options = cli.stack_options(template)?;
    if !cli.no_build {
        say("Building the functions.");
        options.build()?;
    }
    let state = match &options.state {
        State::Directory(directory) => Some(directory.clone()),
        State::Memory | State::Image(_) => None,
    };
    let mut end = Box::pin(end_signal()?);
    let stack = tokio::select! {
        stack = Stack::start(options) => stack?,
        () = &mut end => return Ok(()),
    };
    let environment_file =
        state.map(|directory| EnvironmentFile::write(&stack, &directory)).transpose()?;
    announce(&stack);
    tokio::select! {
        () = tell_of_mail(stack.outbox()) => {}
        () = end => {}
    }
    say("Ending.");
    drop(environment_file);
    // A user who asks twice does not want to wait.
    tokio::select! {
        () = stack.shutdown() => {}
        () = end_signal()? => {}
    }
    Ok(())
}

fn announce(stack: &Stack) {
    let mut lines = vec!["Tally is ready. Ctrl-C ends it.".to_owned(), String::new()];
    lines.push(format!("  HTTP       {}", stack.url()));
    lines.extend(stack.websocket_url().map(|url| format!("  WebSocket  {url}")));
    lines.push(format!("  Logs       {}", stack.logs().display()));
    if !stack.deployment().resources.queues.is_empty() {
        let queues = "failed invocations end here; docs/operations.md says how to read them";
        lines.push(format!("  Queues     {queues}"));
    }
    lines.push(String::new());
    lines.extend(stack.deployment().welcome.iter().map(|line| format!("  {line}")));
    // A reader that closes the pipe after the first line still wants the stack to run.
    let _ = writeln!(io::stdout(), "{}", lines.join("\n"));
}

/// Prints the path of each new mail, for as long as it is polled.
async fn tell_of_mail(outbox: &Outbox) {
    for number in 0.. {
        let mail = outbox.mail(number).await;
        say(&format!(
            "Mail to {}: \"{}\" in {}",
            mail.to.join(", "),
            mail.subject,
            mail.file.display()
        ));
    }
}

/// Prints a line to the terminal, which may be gone.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Waits for Ctrl-C, `kill`, or the end of the terminal.
fn end_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
