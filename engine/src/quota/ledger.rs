//! How much of each ClusterQueue's own quota is free: whether a job may go on without displacing
//! another one.
//!
//! A Workload that is made active again returns to its old place in the queue, and where the
//! ClusterQueue preempts, Kueue may stop running jobs for it. That cannot happen where it fits into
//! the unused part of the quota in whatever flavor Kueue tries: Kueue preempts only for what does not
//! fit (Kueue: `fitsResourceQuota` in `flavorassigner.go`).
//!
//! All is counted on the safe side; every doubt makes a job wait. What others ask for in the same
//! second is not known.

mod account;
mod amount;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::account::{Account, Lent};
use self::amount::Amount;
use crate::keys;
use crate::objects::{Admission, ClusterQueue, Quantity, Requests, Uid, Workload};

/// What is taken and promised of all quota. Updates cost a few look-ups; no question goes through
/// the Workloads.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: BTreeMap<Box<str>, Account>,
    lent: Lent,
    rows: BTreeMap<Uid, Row>,
}

/// What is known of a Workload: one row each, for those that take quota, will, or are held.
#[derive(Debug)]
enum Row {
    /// It takes this.
    Uses(Arc<Admission>),
    /// It will take this: it has just been let go on.
    Promised(Box<Promise>),
    /// It is held.
    Held(Box<Held>),
}

/// What a Workload will take of which ClusterQueue's quota.
#[derive(Debug)]
struct Promise {
    cluster_queue: Box<str>,
    held: Box<Held>,
}

/// What is remembered of a held Workload.
#[derive(Debug)]
struct Held {
    /// What it took before.
    requests: Requests,
    /// The generation for which that holds: Kueue carries a change of the Job's resources over into the
    /// Workload while it is held, and then its last admission tells nothing any more.
    generation: i64,
}

impl Row {
    /// Whether the Workload, as it is now, changes nothing.
    fn stands(&self, workload: &Workload) -> bool {
        match (self, workload.reserved()) {
            (Self::Uses(old), new) => new == Some(old),
            (Self::Promised(_), None) => {
                is_held(workload) || workload.is_active() && !workload.is_finished()
            }
            (Self::Held(held), None) => {
                is_held(workload) && held.generation == workload.metadata.generation
            }
            (Self::Promised(_) | Self::Held(_), Some(_)) => false,
        }
    }
}

/// Whether we stopped it and it waits for us.
fn is_held(workload: &Workload) -> bool {
    !workload.is_active()
        && !workload.is_finished()
        && workload.metadata.annotation(keys::HOLD).is_some()
}

impl Ledger {
    /// Enters a ClusterQueue, or its new quota. Gives back whether anything changed, so that a job
    /// which waited may fit now.
    pub fn put_queue(&mut self, queue: &ClusterQueue) -> bool {
        self.set_queue(&queue.metadata.name, Some(queue))
    }

    /// Strikes a ClusterQueue. What its Workloads take stays counted. Gives back whether it was known.
    pub fn remove_queue(&mut self, name: &str) -> bool {
        self.set_queue(name, None)
    }

    /// Enters what a Workload takes, in place of what it took or was promised. Gives back whether
    /// quota became free.
    pub fn put_workload(&mut self, workload: &Workload) -> bool {
        let uid = workload.metadata.uid;
        let reserved = workload.reserved();
        match self.rows.get(&uid) {
            Some(row) if row.stands(workload) => return false,
            None if reserved.is_none() && !is_held(workload) => return false,
            _ => {}
        }
        let old = self.rows.remove(&uid);
        let freed = old.as_ref().is_some_and(|row| self.unbook(row));
        if let Some(admission) = reserved {
            self.book(uid, Row::Uses(Arc::clone(admission)));
        } else if is_held(workload) {
            let generation = workload.metadata.generation;
            let requests = match old {
                Some(Row::Uses(admission)) if !workload.spec.may_shrink => admission.requests(),
                // What was noted when it was held, if nobody edited it since. None may shrink.
                _ => {
                    let noted = workload.metadata.annotation(keys::HELD_QUOTA);
                    noted.map(|noted| Requests::read(noted, generation)).unwrap_or_default()
                }
            };
            self.rows.insert(uid, Row::Held(Box::new(Held { requests, generation })));
        }
        freed
    }

    /// Strikes a Workload that is gone. Gives back whether quota became free.
    pub fn remove_workload(&mut self, uid: Uid) -> bool {
        self.rows.remove(&uid).is_some_and(|row| self.unbook(&row))
    }

    /// What a held Workload took before it was held; `None` for one that is not known as held.
    pub fn requests(&self, uid: Uid) -> Option<&Requests> {
        match self.rows.get(&uid)? {
            Row::Held(held) => Some(&held.requests),
            Row::Promised(promise) => Some(&promise.held.requests),
            Row::Uses(_) => None,
        }
    }

    /// Counts what a job will take that was just let go on, until its Workload is seen with quota,
    /// finished, gone, or inactive without a hold of ours. No matter for one that has quota.
    pub fn promise(&mut self, uid: Uid, cluster_queue: &str, requests: Requests) {
        if matches!(self.rows.get(&uid), Some(Row::Uses(_))) {
            return;
        }
        let old = self.rows.remove(&uid);
        if let Some(row) = &old {
            self.unbook(row);
        }
        let generation = match old {
            Some(Row::Held(held)) => held.generation,
            Some(Row::Promised(promise)) => promise.held.generation,
            Some(Row::Uses(_)) | None => 0,
        };
        let held = Box::new(Held { requests, generation });
        let promise = Promise { cluster_queue: cluster_queue.into(), held };
        self.book(uid, Row::Promised(Box::new(promise)));
    }

    /// Takes a promise back: the job was not let go on after all. Gives back whether there was one.
    pub fn withdraw(&mut self, uid: Uid) -> bool {
        if !matches!(self.rows.get(&uid), Some(Row::Promised(_))) {
            return false;
        }
        if let Some(row) = self.rows.remove(&uid) {
            self.unbook(&row);
            if let Row::Promised(promise) = row {
                self.rows.insert(uid, Row::Held(promise.held));
            }
        }
        true
    }

    /// Whether jobs that wait in that ClusterQueue may displace running ones.
    pub fn preempts(&self, cluster_queue: &str) -> bool {
        let quota = self.accounts.get(cluster_queue).and_then(|account| account.quota.as_ref());
        quota.is_some_and(|quota| quota.preempts)
    }

    /// Whether nobody is looked at in that ClusterQueue behind one that waits.
    pub fn is_strict(&self, cluster_queue: &str) -> bool {
        let quota = self.accounts.get(cluster_queue).and_then(|account| account.quota.as_ref());
        quota.is_some_and(|quota| quota.is_strict)
    }

    /// Whether what is free in one ClusterQueue may go to a job of the other: they are of one cohort. That
    /// cohorts can be parts of a larger one is left out here: who waits there would borrow, and Kueue lets
    /// those go first that do not (Kueue: `entryOrdering`).
    pub fn share(&self, one: &str, other: &str) -> bool {
        let cohort = |name: &str| {
            let quota = self.accounts.get(name).and_then(|account| account.quota.as_ref());
            quota.and_then(|quota| quota.cohort.as_deref())
        };
        one == other || cohort(one).is_some_and(|of| cohort(other) == Some(of))
    }

    /// Whether a job that asks for this may go on in that ClusterQueue without displacing another.
    ///
    /// Where the queue preempts nobody it may: Kueue admits it when there is room. Else the flavor that the
    /// job had must have room in the queue's own unused quota, less what others may have borrowed of it:
    /// Kueue takes the first flavor that fits, and tries the others before it displaces anybody for one
    /// (Kueue: `findFlavorForPodSets`). Where it is told not to, each flavor before must have room, too; and
    /// where it is not known which one the job had, each that Kueue could try: which flavors its Pods
    /// tolerate is not known here.
    pub fn may_return(&self, cluster_queue: &str, requests: &Requests) -> bool {
        let Some(account) = self.accounts.get(cluster_queue) else { return false };
        let Some(quota) = &account.quota else { return false };
        if !quota.preempts {
            return true;
        }
        let uncovered = |resource: &str| !quota.groups.iter().any(|g| g.covers(resource));
        !requests.is_unknown()
            && !requests.0.iter().any(|r| r.total > Quantity::ZERO && uncovered(&r.resource))
            && quota.groups.iter().all(|group| {
                let asked: Vec<_> =
                    requests.0.iter().filter(|r| group.covers(&r.resource)).collect();
                // Kueue itself asks for `pods` where they are covered, so the number is missing here.
                if group.covers("pods") && !asked.iter().any(|r| &*r.resource == "pods") {
                    return false;
                }
                let mut tried = group.flavors.iter().filter(|flavor| {
                    asked.iter().all(|r| flavor.may_hold(&r.resource, r.least, quota.in_cohort()))
                });
                let has_room = |flavor: &account::Flavor| {
                    asked.iter().all(|r| self.is_free(account, flavor, &r.resource, r.total))
                };
                let had = |flavor: &&account::Flavor| {
                    asked.iter().all(|r| r.flavor.as_ref() == Some(&flavor.name))
                };
                if asked.is_empty() {
                    return true;
                }
                match group.flavors.iter().find(had) {
                    Some(had) if quota.tries_all_flavors => has_room(had),
                    Some(had) => {
                        has_room(had) && tried.take_while(|f| f.name != had.name).all(has_room)
                    }
                    None => {
                        tried.next().is_some_and(|first| has_room(first) && tried.all(has_room))
                    }
                }
            })
    }

    /// Whether that much is unused of the account's own quota, and lent to nobody.
    fn is_free(
        &self,
        account: &Account,
        flavor: &account::Flavor,
        resource: &str,
        asked: Quantity,
    ) -> bool {
        let mut taken = Amount::of(asked);
        taken.add(account.used(&flavor.name, resource));
        taken.add(account.promised(resource));
        if account.quota.as_ref().is_some_and(account::Quota::in_cohort) {
            // Its own part is in there, too: where it borrows itself, nothing is free anyway.
            taken.add(self.lent.of(&flavor.name, resource));
        }
        taken.known().is_some_and(|taken| taken <= flavor.nominal(resource))
    }

    fn set_queue(&mut self, name: &str, queue: Option<&ClusterQueue>) -> bool {
        if queue.is_none() && !self.accounts.contains_key(name) {
            return false;
        }
        let account = self.accounts.entry(name.into()).or_default();
        self.lent.forget(account);
        let changed = account.replace(queue);
        self.lent.enter(account);
        self.drop_empty(name);
        changed
    }

    fn book(&mut self, uid: Uid, row: Row) {
        self.change(&row, Amount::add);
        self.rows.insert(uid, row);
    }

    /// Gives back whether the row counted.
    fn unbook(&mut self, row: &Row) -> bool {
        self.change(row, Amount::subtract)
    }

    fn change(&mut self, row: &Row, by: fn(&mut Amount, Amount)) -> bool {
        let name = match row {
            Row::Uses(admission) => &admission.cluster_queue,
            Row::Promised(promise) => &promise.cluster_queue,
            Row::Held(_) => return false,
        };
        let account = self.accounts.entry(name.clone()).or_default();
        match row {
            Row::Uses(admission) => {
                for usage in &admission.usage {
                    let before = account.borrows(&usage.flavor, &usage.resource);
                    let change = Amount::of(usage.quantity);
                    account.change_used(&usage.flavor, &usage.resource, change, by);
                    let after = account.borrows(&usage.flavor, &usage.resource);
                    self.lent.replace(&usage.flavor, &usage.resource, before, after);
                }
            }
            Row::Promised(promise) => {
                for request in &promise.held.requests.0 {
                    account.change_promised(&request.resource, Amount::of(request.total), by);
                }
            }
            Row::Held(_) => {}
        }
        self.drop_empty(name);
        true
    }

    fn drop_empty(&mut self, name: &str) {
        if self.accounts.get(name).is_some_and(Account::is_empty) {
            self.accounts.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
