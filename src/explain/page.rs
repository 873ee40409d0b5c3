//! A finding as people read it.

use std::io::{self, Write};

use jiff::Timestamp;

use crate::explain::finding::{Finding, HoldPart, ImagePart, JobPart, PolicyPart, Source, State};
use crate::explain::words::{ago, ahead, clock, mode, pulls, span};
use crate::inspect::pulls::NextPull;
use crate::terminal::{Screen, Tone};

/// The width of labels.
const LABEL: usize = 11;

/// Whether an answer is about now, or about what was saved once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It was read from a cluster just now.
    No,
    /// It was read from files.
    Yes,
}

/// Writes a finding.
///
/// # Errors
///
/// Where it cannot be written.
pub fn write(
    finding: &Finding,
    saved: Saved,
    screen: Screen,
    out: &mut impl Write,
) -> io::Result<()> {
    let tone = match finding.state {
        State::Healthy => Tone::Good,
        State::Stuck | State::Failed => Tone::Bad,
        State::Held => Tone::Waiting,
    };
    for line in screen.lines(&finding.sentence, 0) {
        writeln!(out, "{}", screen.paint(tone, &line))?;
    }
    writeln!(out)?;
    let mut rows = Rows { screen, out };
    if saved == Saved::Yes {
        rows.row("as of", &finding.time.strftime("%F %T UTC").to_string())?;
    }
    let several = finding.images.len() > 1;
    for image in &finding.images {
        image_rows(&mut rows, image, finding.time)?;
        if several {
            // What it comes to for the job stands below, once.
            rows.row("so", &image.next)?;
            writeln!(rows.out)?;
        }
    }
    if let Some(hold) = &finding.hold {
        hold_rows(&mut rows, hold, finding.time)?;
    }
    if let Some(job) = &finding.job {
        job_row(&mut rows, job, finding)?;
    }
    if let Some(policy) = &finding.policy {
        policy_row(&mut rows, policy)?;
    }
    rows.row("next", &finding.next)?;
    for (place, step) in finding.steps.iter().enumerate() {
        let label = if place == 0 { "you can" } else { "" };
        match &step.command {
            Some(command) => {
                rows.row(label, &format!("{}:", step.what))?;
                rows.command(command)?;
            }
            None => rows.row(label, &step.what)?,
        }
    }
    for (place, gap) in finding.unknown.iter().enumerate() {
        let label = if place == 0 { "not known" } else { "" };
        rows.row(label, &format!("{}: what is missing is {}", gap.unknown, gap.missing))?;
    }
    Ok(())
}

/// Rows of a label and a text.
struct Rows<'o, O> {
    screen: Screen,
    out: &'o mut O,
}

impl<O: Write> Rows<'_, O> {
    fn row(&mut self, label: &str, text: &str) -> io::Result<()> {
        let lines = self.screen.lines(text, LABEL);
        for (place, line) in lines.iter().enumerate() {
            let label = if place == 0 { label } else { "" };
            let label = self.screen.paint(Tone::Faint, &format!("{label:<LABEL$}"));
            writeln!(self.out, "{label}{line}")?;
        }
        Ok(())
    }

    /// A command is never broken: it is to be copied.
    fn command(&mut self, command: &str) -> io::Result<()> {
        let command = self.screen.paint(Tone::Strong, command);
        writeln!(self.out, "{:LABEL$}  {command}", "")
    }
}

fn image_rows<O: Write>(
    rows: &mut Rows<'_, O>,
    image: &ImagePart,
    now: Timestamp,
) -> io::Result<()> {
    rows.row("image", &image.image)?;
    let others = match image.pods.saturating_sub(1) {
        0 => String::new(),
        1 => ", and one more Pod".to_owned(),
        more => format!(", and {more} more Pods"),
    };
    rows.row("container", &format!("{} of Pod {}{others}", image.container, image.pod))?;
    let colon = if image.message.is_empty() { "" } else { ": " };
    rows.row("status", &format!("{}{colon}{}", image.reason, image.message))?;
    if let Some(evidence) = &image.evidence {
        rows.row("evidence", evidence)?;
    }
    let failed = &image.failed_pulls;
    let lasted = failed.last.duration_since(failed.first);
    let within = if lasted.is_zero() { String::new() } else { format!(" in {}", span(lasted)) };
    let count = match failed.source {
        Source::Controller => format!("{}{within}", pulls(failed.count)),
        Source::Events => format!("{}{within}, as the kubelet's Events tell", pulls(failed.count)),
        Source::Status => "1 failed pull or more: the Pod's status tells no more".to_owned(),
    };
    let newest = match failed.source {
        Source::Status => String::new(),
        Source::Controller | Source::Events => {
            format!("; the newest {}", ago(failed.last, now))
        }
    };
    rows.row("failed", &format!("{count}{newest}"))?;
    rows.row("next pull", &next_pull(image.next_pull, now))?;
    if let Some(rule) = &image.rule {
        let seconds = match rule.failing_seconds {
            0 => String::new(),
            seconds => format!(" over {seconds} s"),
        };
        let text = format!(
            "\"{}\": {} after {}{seconds}",
            rule.name,
            rule.action.as_str(),
            pulls(rule.failed_pulls)
        );
        rows.row("rule", &text)?;
    }
    Ok(())
}

fn next_pull(next: NextPull, now: Timestamp) -> String {
    match next {
        NextPull::Never => {
            "none: the kubelet refuses the image without asking a registry".to_owned()
        }
        NextPull::About { at } => format!("about {} ({})", clock(at, now), ahead(at, now)),
        NextPull::Overdue { since } => format!(
            "was due about {} ({}): it may be running, as nothing is shown while it does",
            clock(since, now),
            ago(since, now)
        ),
        NextPull::Soon => "within 5 minutes, by the kubelet's schedule".to_owned(),
    }
}

fn hold_rows<O: Write>(rows: &mut Rows<'_, O>, hold: &HoldPart, now: Timestamp) -> io::Result<()> {
    rows.row("image", &hold.image)?;
    rows.row("held", &format!("since {} ({})", clock(hold.since, now), ago(hold.since, now)))?;
    let policy = hold.policy.as_ref().map(|policy| format!("policy {policy}, "));
    rows.row("by", &format!("{}rule \"{}\"", policy.unwrap_or_default(), hold.rule))?;
    rows.row("told", &hold.told)
}

fn job_row<O: Write>(rows: &mut Rows<'_, O>, job: &JobPart, finding: &Finding) -> io::Result<()> {
    if job.name != finding.subject.name || job.kind != finding.subject.kind {
        rows.row("job", &format!("{} {}", job.kind, job.name))?;
    }
    let quota = match job.admitted_since {
        Some(since) if job.queue.is_some() => {
            format!(
                ", holds quota since {} ({})",
                clock(since, finding.time),
                ago(since, finding.time)
            )
        }
        Some(since) => format!(", started {}", ago(since, finding.time)),
        None if job.queue.is_some() => ", holds no quota".to_owned(),
        None => ", not started".to_owned(),
    };
    let queue =
        job.queue.as_ref().map_or_else(|| "none".to_owned(), |queue| format!("LocalQueue {queue}"));
    rows.row("queue", &format!("{queue}{quota}"))?;
    if job.resumes + job.requeues > 0 {
        let text =
            format!("resumed by people {} times, requeued {} times", job.resumes, job.requeues);
        rows.row("before", &text)?;
    }
    if let Some(why) = &job.ignored {
        rows.row("ignored", why)?;
    }
    Ok(())
}

fn policy_row<O: Write>(rows: &mut Rows<'_, O>, policy: &PolicyPart) -> io::Result<()> {
    let paused = policy.paused.as_ref().map(|why| format!(", paused: {why}")).unwrap_or_default();
    let unseen = if policy.observed {
        ""
    } else {
        ", which no controller has looked at yet: is one running?"
    };
    rows.row("policy", &format!("{} ({}){paused}{unseen}", policy.name, mode(policy.mode)))
}
