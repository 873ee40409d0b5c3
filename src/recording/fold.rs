//! What stands at the end of a file, out of the file itself: the next one begins with it, so that it can
//! be played without those before it. The controller keeps no second copy of the cluster for that.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use dislodge_engine::input::{Change, Input, Kind};
use dislodge_engine::objects::{Object, Uid};
use dislodge_engine::time::Now;
use serde_json::Value;

use super::frame::Frame;
use super::read::{Item, Reader};
use super::write::Writer;

/// What an input is about.
enum About {
    Object(Kind, Uid, bool),
    Begun(Kind),
    Ended(Kind),
    Absent(Kind),
    Leadership,
    Paused,
    Nothing,
}

fn about(input: &Input) -> About {
    fn of<T: Object>(kind: Kind, change: &Change<T>) -> About {
        let (object, stands) = match change {
            Change::Listed(object) | Change::Seen(object) => (object, true),
            Change::Gone(object) => (object, false),
        };
        About::Object(kind, object.meta().uid, stands)
    }
    match input {
        Input::Pod(change) => of(Kind::Pod, change),
        Input::Job(change) => of(Kind::Job, change),
        Input::JobSet(change) => of(Kind::JobSet, change),
        Input::CronJob(change) => of(Kind::CronJob, change),
        Input::Workload(change) => of(Kind::Workload, change),
        Input::LocalQueue(change) => of(Kind::LocalQueue, change),
        Input::ClusterQueue(change) => of(Kind::ClusterQueue, change),
        Input::Policy(change) => of(Kind::Policy, change),
        Input::Node(change) => of(Kind::Node, change),
        Input::ListBegun(kind) => About::Begun(*kind),
        Input::ListEnded(kind) => About::Ended(*kind),
        Input::KindAbsent(kind) => About::Absent(*kind),
        Input::Leadership(_) => About::Leadership,
        Input::Paused(_) => About::Paused,
        Input::Done(..) | Input::Deadline => About::Nothing,
    }
}

/// Which lines of a file tell what stands at its end.
#[derive(Default)]
struct Standing {
    /// The newest line of each object that is there.
    objects: BTreeMap<(Kind, Uid), u64>,
    /// Where the newest list of each kind began.
    begun: BTreeMap<Kind, u64>,
    /// Kinds that were listed whole.
    listed: BTreeSet<Kind>,
    absent: BTreeSet<Kind>,
    leadership: Option<u64>,
    paused: Option<u64>,
}

impl Standing {
    fn take(&mut self, number: u64, input: &Input) {
        match about(input) {
            About::Object(kind, uid, true) => drop(self.objects.insert((kind, uid), number)),
            About::Object(kind, uid, false) => drop(self.objects.remove(&(kind, uid))),
            About::Begun(kind) => drop(self.begun.insert(kind, number)),
            About::Ended(kind) => {
                let begun = self.begun.get(&kind).copied().unwrap_or_default();
                self.objects.retain(|(of, _), at| *of != kind || *at > begun);
                self.listed.insert(kind);
                self.absent.remove(&kind);
            }
            About::Absent(kind) => {
                self.objects.retain(|(of, _), _| *of != kind);
                self.listed.remove(&kind);
                self.absent.insert(kind);
            }
            About::Leadership => self.leadership = Some(number),
            About::Paused => self.paused = Some(number),
            About::Nothing => {}
        }
    }

    fn stands(&self, number: u64, input: &Input) -> bool {
        match about(input) {
            About::Object(kind, uid, _) => self.objects.get(&(kind, uid)) == Some(&number),
            About::Leadership => self.leadership == Some(number),
            About::Paused => self.paused == Some(number),
            About::Begun(_) | About::Ended(_) | About::Absent(_) | About::Nothing => false,
        }
    }
}

/// Writes what stands at the end of the file `from` to the beginning of another, as of `now`. The file is
/// read twice, and little of it is kept.
///
/// # Errors
///
/// Those of both files.
pub(super) fn carry_on<W: io::Write>(from: &Path, now: Now, to: &mut Writer<W>) -> io::Result<()> {
    let mut standing = Standing::default();
    each(from, |number, _, input| {
        standing.take(number, input);
        Ok(())
    })?;
    let frame = |input: Value| Frame {
        elapsed: u64::try_from(now.elapsed.as_nanos()).unwrap_or(u64::MAX),
        wall: now.wall,
        input,
        done: None,
    };
    let write = |input: &Input, to: &mut Writer<W>| -> io::Result<()> {
        to.standing(frame(serde_json::to_value(input)?))
    };
    for kind in &standing.absent {
        write(&Input::KindAbsent(*kind), to)?;
    }
    for kind in &standing.listed {
        write(&Input::ListBegun(*kind), to)?;
    }
    each(from, |number, read, input| {
        if !standing.stands(number, input) {
            return Ok(());
        }
        let mut value = read.input;
        // It was changed some time ago.
        if let Some(change) = value.as_object_mut().and_then(|input| input.values_mut().next())
            && let Some(change) = change.as_object_mut()
            && let Some(object) = change.remove("seen")
        {
            change.insert("listed".to_owned(), object);
        }
        to.standing(frame(value))
    })?;
    for kind in &standing.listed {
        write(&Input::ListEnded(*kind), to)?;
    }
    Ok(())
}

fn each(from: &Path, mut take: impl FnMut(u64, Frame, &Input) -> io::Result<()>) -> io::Result<()> {
    let mut reader = Reader::open(from).map_err(io::Error::other)?;
    let mut number = 0;
    while let Some(item) = reader.item().map_err(io::Error::other)? {
        let (Item::Standing(frame) | Item::Input(frame)) = item;
        number += 1;
        let input = frame.input()?;
        take(number, frame, &input)?;
    }
    Ok(())
}
