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
    Unchanged(Kind, Vec<Uid>),
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
        Input::Unchanged(kind, uids) => About::Unchanged(*kind, uids.clone()),
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
    /// Objects that the newest list of each kind has in the version that their newest line tells.
    unchanged: BTreeMap<Kind, BTreeSet<Uid>>,
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
            About::Begun(kind) => {
                self.begun.insert(kind, number);
                self.unchanged.remove(&kind);
            }
            About::Unchanged(kind, uids) => self.unchanged.entry(kind).or_default().extend(uids),
            About::Ended(kind) => {
                let begun = self.begun.get(&kind).copied().unwrap_or_default();
                let unchanged = self.unchanged.remove(&kind).unwrap_or_default();
                let stands = |uid: &Uid, at: u64| at > begun || unchanged.contains(uid);
                self.objects.retain(|(of, uid), at| *of != kind || stands(uid, *at));
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
            About::Begun(_)
            | About::Unchanged(..)
            | About::Ended(_)
            | About::Absent(_)
            | About::Nothing => false,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_has_unchanged_stands_and_what_it_does_not_have_is_gone() {
        let uid = Uid::from_u128;
        let node = |number: u128| {
            let node = serde_json::json!({"metadata": {"uid": uid(number)}});
            Input::Node(Change::Listed(serde_json::from_value(node).unwrap()))
        };
        let (begun, ended) = (Input::ListBegun(Kind::Node), Input::ListEnded(Kind::Node));
        let unchanged = |uids: &[Uid]| Input::Unchanged(Kind::Node, uids.to_vec());
        let inputs = [
            begun.clone(),
            node(1),
            node(2),
            node(3),
            ended.clone(),
            begun.clone(),
            unchanged(&[uid(1)]),
            node(2),
            ended.clone(),
            // What was unchanged in one list need not be there in the next.
            begun,
            unchanged(&[uid(2)]),
            ended,
        ];
        let mut standing = Standing::default();
        let mut stands = Vec::new();
        for (number, input) in (1..).zip(&inputs) {
            standing.take(number, input);
            if matches!(input, Input::ListEnded(_)) {
                let lines = standing.objects.iter().map(|((_, uid), line)| (uid.as_u128(), *line));
                stands.push(lines.collect::<Vec<_>>());
            }
        }
        assert_eq!(stands, [vec![(1, 2), (2, 3), (3, 4)], vec![(1, 2), (2, 8)], vec![(2, 8)]]);
    }
}
