//! Log output: one line an event on standard error, as text or JSON.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::LogFormat;

/// Targets of libraries that repeat every try of what failed; `client` and `watch` say it once.
const QUIET: &str = "kube_runtime=off,kube_client=off,hyper_util=warn,tower=warn,rustls=warn";

/// Sends log lines to standard error from here on.
///
/// # Errors
///
/// Where `level` is no list of directives.
pub fn start(format: Option<LogFormat>, level: &str) -> Result<(), ParseError> {
    // What was asked for comes last, so that it wins over what is quiet by default.
    let filter = EnvFilter::builder().parse(format!("{QUIET},{level}"))?;
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    let started = match format {
        LogFormat::Text => {
            let lines = tracing_subscriber::fmt().with_env_filter(filter);
            lines.with_writer(std::io::stderr).with_ansi(terminal).with_target(false).try_init()
        }
        LogFormat::Json => json(filter, std::io::stderr).try_init().map_err(Into::into),
    };
    // Somebody who embeds the controller may have set up logs already: theirs stay.
    drop(started);
    Ok(())
}

/// Log lines as JSON: the fields of an event stand beside `timestamp`, `level`, `target` and `message`.
pub(crate) fn json<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    lines.json().flatten_event(true).with_current_span(false).finish()
}
