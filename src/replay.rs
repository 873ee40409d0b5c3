//! `dislodge replay`: a recording played again, as it was or with other policies.

mod compare;
mod page;
mod played;
mod player;
mod policies;
mod report;

use std::fs::{self, File, Metadata};
use std::io::{BufReader, Cursor};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use dislodge_engine::objects::Policy;
use jiff::Timestamp;
use serde::Serialize;

use self::played::Played;
use self::player::{Manner, Player};
use crate::bundle::unpack::{self, Report};
use crate::classify::shown;
use crate::explain::{Form, data, print};
use crate::inspect::Error;
use crate::recording::frame::{Header, Source};
use crate::recording::read::{Ending, Item, Reader};
use crate::terminal::Screen;

/// What is typed behind `dislodge replay`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dislodge replay recording/*.gz                     what a controller decided, and that a replay\n                                                     \
    decides the same\n  \
    dislodge replay week.jsonl.gz -f policy.yaml       what this policy would have done\n  \
    dislodge replay week.jsonl.gz -f policy.yaml -o json\n  \
    dislodge replay week.jsonl.gz --compare policy.yaml --html report.html\n\n\
    Without -f the recording of a controller is played input by input, and all that came of each is\n\
    compared. With -f its policies are replaced: each given policy counts as in mode Audit, so that\n\
    the recorded cluster goes on as it did; budgets and pauses are left out. docs/recording.md says\n\
    more. No cluster is asked.\n\
    Exit code: 0, 2 where a replay decides otherwise than was recorded, 1 where a file cannot be read.")]
pub struct ReplayArgs {
    /// Files that `dislodge record`, `dislodge controller --record` or `dislodge report` has written
    /// ('-': standard input)
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Policies in place of the recorded ones: YAML or JSON
    #[arg(short, long, value_name = "POLICY")]
    pub file: Vec<PathBuf>,

    /// Set these policies beside those of -f, or beside the recorded ones, job by job
    #[arg(long, value_name = "POLICY")]
    pub compare: Vec<PathBuf>,

    /// Write a page for browsers into this file, too: timelines of each queue, and nothing that is
    /// loaded from elsewhere
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Form of the output
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Form,
}

/// One run that was replayed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    /// The files that it was read from.
    files: Vec<String>,
    /// The program that recorded it.
    program: String,
    source: Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(rename = "run")]
    started: Timestamp,
    /// It does not begin with the first file of its run.
    begins_in_the_middle: bool,
    /// The last file has no mark at its end.
    cut: bool,
    /// What came of each input was compared with what is recorded.
    verified: bool,
    #[serde(flatten)]
    played: Played,
}

impl Run {
    /// Whether the replay has decided otherwise than was recorded.
    const fn differs(&self) -> bool {
        self.played.difference.is_some()
    }
}

/// Replays.
///
/// # Errors
///
/// Where a file is no recording, or has no policies in it.
pub fn run(args: &ReplayArgs) -> Result<ExitCode, Error> {
    let readers = open(&args.files)?;
    let namespace = readers.first().and_then(|first| first.header().namespace.clone());
    let one = readers.iter().all(|reader| reader.header().namespace == namespace);
    let namespace = namespace.filter(|_| one);
    let given = |files: &[PathBuf]| policies::read(files, namespace.as_deref()).map(Choice::Given);
    let choice = match (&args.file[..], &args.compare[..]) {
        ([], []) => Choice::AsItWas,
        ([], _) => Choice::Own,
        (files, _) => given(files)?,
    };
    let runs = play(readers, &choice)?;
    let compared = if args.compare.is_empty() {
        Vec::new()
    } else {
        if args.files.iter().any(|file| file.as_os_str() == "-") {
            let advice = "--compare reads the recording twice: give it as a file, not as '-'";
            return Err(Error::Meant(advice.to_owned()));
        }
        let others = play(open(&args.files)?, &given(&args.compare)?)?;
        runs.iter().zip(&others).map(|(a, b)| compare::compare(&a.played, &b.played)).collect()
    };
    let names = names(&args.file, &args.compare);
    if let Some(file) = &args.html {
        let page = report::page(&runs, &compared, &names);
        fs::write(file, page).map_err(|error| {
            let file = shown::plain(&file.to_string_lossy()).into_owned();
            Error::File(format!(
                "{file} cannot be written: {error}: name a file in a folder of yours"
            ))
        })?;
    }
    let mut out = Vec::new();
    let screen = Screen::stdout();
    match (args.output, &compared[..]) {
        (Form::Text, []) => page::write(&runs, args.file.is_empty(), screen, &mut out),
        (Form::Text, compared) => compared
            .iter()
            .try_for_each(|comparison| compare::write(comparison, &names, screen, &mut out)),
        (form @ (Form::Json | Form::Yaml), _) => {
            let all = serde_json::json!({"runs": runs, "comparisons": compared});
            data(&all, form, &mut out)
        }
    }
    .map_err(Error::Output)?;
    print(&out).map_err(Error::Output)?;
    let differs = runs.iter().any(Run::differs);
    Ok(if differs { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

/// What the two sides of a comparison are called: by their files.
fn names(first: &[PathBuf], second: &[PathBuf]) -> [String; 2] {
    let name = |files: &[PathBuf]| {
        let stems = files.iter().filter_map(|file| file.file_stem());
        let stems: Vec<String> = stems.map(|stem| stem.to_string_lossy().into_owned()).collect();
        if stems.is_empty() { "recorded".to_owned() } else { stems.join("+") }
    };
    match [name(first), name(second)] {
        [a, b] if a == b => [format!("{a} (first)"), format!("{b} (second)")],
        names => names,
    }
}

/// By which policies a recording is played.
enum Choice {
    /// As it was, where that was recorded.
    AsItWas,
    /// With what its own policies would have done.
    Own,
    /// With what these would have done.
    Given(Vec<Policy>),
}

/// Opens files, in the order of their runs.
fn open(files: &[PathBuf]) -> Result<Vec<Reader>, Error> {
    let mut readers = Vec::new();
    for file in files {
        match report(file) {
            Some(report) => readers.extend(recordings(file, report)?),
            None => readers.push(Reader::open(file)?),
        }
    }
    readers.sort_by_key(|reader| (reader.header().run, reader.header().segment));
    for pair in readers.windows(2) {
        let [first, second] = pair else { continue };
        if first.header() == second.header() {
            let (first, second) = (first.file(), second.file());
            return Err(Error::Meant(format!(
                "{first} and {second} are the same part of one recording: give it once"
            )));
        }
    }
    Ok(readers)
}

/// The file as a report; `None`: it is none.
fn report(file: &Path) -> Option<Result<Report, String>> {
    // What cannot be opened is told of by whoever opens it as a recording.
    // What comes out of a pipe comes once, and to whoever opens it first.
    fs::metadata(file).ok().filter(Metadata::is_file)?;
    let opened = File::open(file).ok()?;
    unpack::report(BufReader::new(opened))
}

/// The recordings in a report.
fn recordings(file: &Path, report: Result<Report, String>) -> Result<Vec<Reader>, Error> {
    let name = shown::plain(&file.to_string_lossy()).into_owned();
    let report = report.map_err(|why| Error::File(format!("{name} {why}")))?;
    if report.recordings.is_empty() {
        let advice = "make it with --for 1m, or give recordings beside it";
        return Err(Error::File(format!("{name} has no recording in it: {advice}")));
    }
    let readers = report.recordings.into_iter().map(|(place, recording)| {
        Ok(Reader::new(format!("{name}: {place}"), Box::new(Cursor::new(recording)))?)
    });
    readers.collect()
}

/// Plays files that are in the order of their runs.
fn play(readers: Vec<Reader>, choice: &Choice) -> Result<Vec<Run>, Error> {
    let mut runs: Vec<Run> = Vec::new();
    let mut player: Option<(Player, Header)> = None;
    for mut reader in readers {
        let header = reader.header().clone();
        if !is_sane(&header) {
            return Err(reader.wrong("the kubelet's schedule is none that there can be").into());
        }
        let follows = player.as_ref().is_some_and(|(_, last)| follows(last, &header));
        let follows = follows && runs.last().is_some_and(|run| !run.cut);
        if !follows {
            end(&mut player, &mut runs);
            let was_decided = header.source == Source::Controller && header.segment == 0;
            let manner = match choice {
                Choice::Given(policies) => Manner::With(policies.clone()),
                Choice::AsItWas if was_decided => Manner::AsItWas,
                Choice::AsItWas | Choice::Own => Manner::WithItsOwn,
            };
            let new = Player::new(header.config.clone(), manner);
            runs.push(Run {
                files: Vec::new(),
                program: shown::plain(&header.program).into_owned(),
                source: header.source,
                namespace: header.namespace.clone(),
                started: header.run,
                begins_in_the_middle: header.segment > 0,
                cut: false,
                verified: new.verifies(),
                played: Played::default(),
            });
            player = Some((new, header.clone()));
        }
        let Some((player, last)) = &mut player else { continue };
        *last = header;
        while let Some(item) = reader.item()? {
            let frame = match &item {
                Item::Standing(_) if follows => continue,
                Item::Standing(frame) | Item::Input(frame) => frame,
            };
            player.play(frame).map_err(|why| reader.wrong(&why))?;
        }
        if let Some(run) = runs.last_mut() {
            run.files.push(reader.file().to_owned());
            run.cut = reader.ending() != Some(&Ending::Whole);
        }
    }
    end(&mut player, &mut runs);
    Ok(runs)
}

/// Whether a file goes on where another has ended.
fn follows(last: &Header, next: &Header) -> bool {
    last.run == next.run && last.segment.checked_add(1) == Some(next.segment)
}

/// Whether an engine can work by it: sums of its times are far from what a time can be.
fn is_sane(header: &Header) -> bool {
    let timing = &header.config.timing;
    let times = [timing.back_off_base, timing.moment, timing.anchor, timing.skew, timing.silence];
    times.iter().chain([&header.config.status_interval]).all(|time| time.as_secs() <= 86_400)
}

fn end(player: &mut Option<(Player, Header)>, runs: &mut [Run]) {
    if let (Some((player, _)), Some(run)) = (player.take(), runs.last_mut()) {
        run.played = player.end();
    }
}

#[cfg(test)]
mod tests;
