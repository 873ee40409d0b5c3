//! What the cluster keeps: objects by key, each with the version of its last change, and the changes
//! themselves for those who watch.
//!
//! As etcd under the Kubernetes API server: one counter counts all changes (`resourceVersion`), a
//! write that changes nothing is none, and old changes are forgotten. What the objects are, the store
//! does not know: typed values for the engine's histories, JSON under an API.

use std::collections::{BTreeMap, VecDeque};
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

/// The number of a change; that of an object is the number of its last change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u64);

/// An object that carries its own version.
pub trait Versioned: PartialEq {
    /// Writes the version into the object (Kubernetes: `metadata.resourceVersion`).
    fn set_version(&mut self, version: Version);
}

/// One change.
#[derive(Debug)]
pub struct Change<K, O> {
    /// Its number.
    pub version: Version,
    /// Whose it is.
    pub key: K,
    /// What became of it.
    pub what: What,
    /// The object as it was left; of a deleted one, as it was last, with the version of the deletion.
    pub object: Arc<O>,
    /// The object as it was before; of a created one there is none.
    pub before: Option<Arc<O>>,
}

// By hand: the object is shared and need not be `Clone`.
impl<K: Clone, O> Clone for Change<K, O> {
    fn clone(&self) -> Self {
        let Self { version, key, what, object, before } = self;
        let (object, before) = (Arc::clone(object), before.clone());
        Self { version: *version, key: key.clone(), what: *what, object, before }
    }
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It is new.
    Created,
    /// It is another than before.
    Replaced,
    /// It is gone.
    Deleted,
}

/// Why a write was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is one already.
    Exists,
    /// There is none.
    Missing,
    /// It was changed since the version that the writer has seen.
    Changed,
}

/// The changes after a version are not known any more: what there is has to be listed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

/// The objects and their changes.
#[derive(Debug)]
pub struct Store<K, O> {
    version: Version,
    objects: BTreeMap<K, (Version, Arc<O>)>,
    changes: VecDeque<Change<K, O>>,
    /// At most so many changes are kept.
    kept: usize,
    /// The newest change that is forgotten.
    forgotten: Version,
}

// By hand: the objects are shared and need not be `Clone`.
impl<K: Clone, O> Clone for Store<K, O> {
    fn clone(&self) -> Self {
        Self {
            version: self.version,
            objects: self.objects.clone(),
            changes: self.changes.clone(),
            kept: self.kept,
            forgotten: self.forgotten,
        }
    }
}

impl<K: Ord + Clone, O: Versioned> Store<K, O> {
    /// An empty store that keeps so many changes.
    pub fn new(kept: usize) -> Self {
        Self {
            version: Version::default(),
            objects: BTreeMap::new(),
            changes: VecDeque::new(),
            kept,
            forgotten: Version::default(),
        }
    }

    /// The number of the newest change.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The object of that key, and its version.
    pub fn get(&self, key: &K) -> Option<(Version, &Arc<O>)> {
        self.objects.get(key).map(|(version, object)| (*version, object))
    }

    /// The objects whose keys are in a range, in the order of their keys.
    pub fn list(&self, keys: impl RangeBounds<K>) -> impl Iterator<Item = (&K, &Arc<O>)> {
        self.objects.range(keys).map(|(key, (_, object))| (key, object))
    }

    /// Adds an object.
    ///
    /// # Errors
    /// [`Refused::Exists`].
    pub fn create(&mut self, key: K, object: O) -> Result<Version, Refused> {
        if self.objects.contains_key(&key) {
            return Err(Refused::Exists);
        }
        Ok(self.put(key, What::Created, object))
    }

    /// Puts another object in the place of one; where the two are the same, nothing changes. `seen` is
    /// the version that the writer goes out from, if that is to be checked.
    ///
    /// # Errors
    /// [`Refused::Missing`], [`Refused::Changed`].
    pub fn replace(
        &mut self,
        key: &K,
        seen: Option<Version>,
        mut object: O,
    ) -> Result<Version, Refused> {
        let (version, old) = self.seen(key, seen)?;
        object.set_version(version);
        if **old == object {
            return Ok(version);
        }
        Ok(self.put(key.clone(), What::Replaced, object))
    }

    /// Takes an object away and returns it as it was last. `seen` as with [`Self::replace`].
    ///
    /// # Errors
    /// [`Refused::Missing`], [`Refused::Changed`].
    pub fn delete(&mut self, key: &K, seen: Option<Version>) -> Result<Arc<O>, Refused>
    where
        O: Clone,
    {
        let (_, old) = self.seen(key, seen)?;
        let mut last = O::clone(old);
        self.version.0 += 1;
        last.set_version(self.version);
        let object = Arc::new(last);
        let before = self.objects.remove(key).map(|(_, object)| object);
        self.note(key.clone(), What::Deleted, &object, before);
        Ok(object)
    }

    /// The changes after that one, in order.
    ///
    /// # Errors
    /// [`Expired`]: some of them are forgotten.
    pub fn changes_after(
        &self,
        version: Version,
    ) -> Result<impl Iterator<Item = &Change<K, O>>, Expired> {
        if version < self.forgotten {
            return Err(Expired);
        }
        let from = self.changes.partition_point(|change| change.version <= version);
        Ok(self.changes.range((Bound::Included(from), Bound::Unbounded)))
    }

    /// The objects whose keys are in a range, as they were after that change.
    ///
    /// # Errors
    /// [`Expired`]: some of the changes since are forgotten.
    pub fn list_at(
        &self,
        version: Version,
        keys: impl RangeBounds<K> + Clone,
    ) -> Result<BTreeMap<K, Arc<O>>, Expired> {
        let mut then: BTreeMap<K, Arc<O>> = self
            .list(keys.clone())
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect();
        let since: Vec<_> = self.changes_after(version)?.collect();
        for change in since.into_iter().rev().filter(|change| keys.contains(&change.key)) {
            match &change.before {
                Some(before) => then.insert(change.key.clone(), Arc::clone(before)),
                None => then.remove(&change.key),
            };
        }
        Ok(then)
    }

    /// The changes that are kept, in order; they are forgotten.
    pub fn take_changes(&mut self) -> VecDeque<Change<K, O>> {
        self.forgotten = self.version;
        std::mem::take(&mut self.changes)
    }

    /// Forgets all changes so far, as etcd does after a compaction.
    pub fn forget(&mut self) {
        self.changes.clear();
        self.forgotten = self.version;
    }

    fn seen(&self, key: &K, seen: Option<Version>) -> Result<(Version, &Arc<O>), Refused> {
        let (version, object) = self.get(key).ok_or(Refused::Missing)?;
        if seen.is_some_and(|seen| seen != version) {
            return Err(Refused::Changed);
        }
        Ok((version, object))
    }

    fn put(&mut self, key: K, what: What, mut object: O) -> Version {
        self.version.0 += 1;
        object.set_version(self.version);
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), (self.version, Arc::clone(&object)));
        self.note(key, what, &object, before.map(|(_, object)| object));
        self.version
    }

    fn note(&mut self, key: K, what: What, object: &Arc<O>, before: Option<Arc<O>>) {
        let object = Arc::clone(object);
        self.changes.push_back(Change { version: self.version, key, what, object, before });
        while self.changes.len() > self.kept {
            if let Some(oldest) = self.changes.pop_front() {
                self.forgotten = oldest.version;
            }
        }
    }
}

#[cfg(test)]
mod tests;
