//! What one ClusterQueue has and gives out, and what cohorts lend each other.

use std::collections::{BTreeMap, BTreeSet};

use super::amount::Amount;
use crate::objects::{ClusterQueue, Quantity};

/// One amount for each resource of each flavor.
type Sheet = BTreeMap<Box<str>, BTreeMap<Box<str>, Amount>>;

/// What a ClusterQueue has and gives out.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// `None`: the ClusterQueue has not been seen, or is gone.
    pub(super) quota: Option<Quota>,
    used: Sheet,
    /// What Kueue says is used: it counts also what is not watched, the other namespaces.
    reported: Sheet,
    /// By resource: which flavor it will be is not known, so it counts in each.
    promised: BTreeMap<Box<str>, Amount>,
}

/// A ClusterQueue's quota.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Quota {
    pub(super) cohort: Option<Box<str>>,
    pub(super) preempts: bool,
    pub(super) is_strict: bool,
    pub(super) tries_all_flavors: bool,
    pub(super) groups: Box<[Group]>,
}

/// A resource group.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    covered: Box<[Box<str>]>,
    pub(super) flavors: Box<[Flavor]>,
}

/// A flavor's quota.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flavor {
    pub(super) name: Box<str>,
    resources: Box<[Limit]>,
}

#[derive(Debug, PartialEq, Eq)]
struct Limit {
    resource: Box<str>,
    nominal: Quantity,
    /// `None`: no limit.
    borrowing: Option<Quantity>,
}

impl Quota {
    pub(super) fn of(queue: &ClusterQueue) -> Self {
        let groups = queue.spec.resource_groups.iter().map(|group| Group {
            covered: group.covered_resources.clone().into_boxed_slice(),
            flavors: group.flavors.iter().map(Flavor::of).collect(),
        });
        Self {
            cohort: queue.spec.cohort_name.clone().filter(|_| queue.is_in_cohort()),
            preempts: queue.may_preempt(),
            is_strict: queue.is_strict(),
            tries_all_flavors: queue.tries_all_flavors(),
            groups: groups.collect(),
        }
    }

    /// Whether it shares quota with others.
    pub(super) fn in_cohort(&self) -> bool {
        self.cohort.is_some()
    }

    fn nominal(&self, flavor: &str, resource: &str) -> u128 {
        let mut flavors = self.groups.iter().flat_map(|group| &group.flavors);
        flavors.find(|f| &*f.name == flavor).map_or(0, |f| f.nominal(resource))
    }
}

impl Group {
    pub(super) fn covers(&self, resource: &str) -> bool {
        self.covered.iter().any(|covered| &**covered == resource)
    }
}

impl Flavor {
    fn of(quotas: &crate::objects::FlavorQuotas) -> Self {
        let limits = quotas.resources.iter().map(|quota| Limit {
            resource: quota.name.clone(),
            nominal: quota.nominal_quota,
            borrowing: quota.borrowing_limit,
        });
        Self { name: quotas.name.clone(), resources: limits.collect() }
    }

    fn limit(&self, resource: &str) -> Option<&Limit> {
        self.resources.iter().find(|limit| &*limit.resource == resource)
    }

    /// The queue's own quota, in thousandths; none where it cannot be read.
    pub(super) fn nominal(&self, resource: &str) -> u128 {
        self.limit(resource).and_then(|limit| limit.nominal.milli()).unwrap_or_default()
    }

    /// Whether Kueue could ever place so much here; it passes over flavors that cannot hold it
    /// (Kueue: the `noFit` of `fitsResourceQuota`). In a cohort a flavor holds what may be borrowed,
    /// too, and Kueue may preempt on the way there.
    pub(super) fn may_hold(&self, resource: &str, asked: Quantity, in_cohort: bool) -> bool {
        self.limit(resource).is_some_and(|limit| match (in_cohort, limit.borrowing) {
            (false, _) => asked <= limit.nominal,
            (true, None) => true,
            (true, Some(borrowing)) => asked <= limit.nominal.saturating_add(borrowing),
        })
    }
}

impl Account {
    /// The larger of what was counted here and of what Kueue says, which follows by a moment.
    pub(super) fn used(&self, flavor: &str, resource: &str) -> Amount {
        let counted = read(&self.used, flavor, resource);
        counted.max(read(&self.reported, flavor, resource))
    }

    /// Takes in a ClusterQueue, or that it is gone. Gives back whether anything changed.
    pub(super) fn replace(&mut self, queue: Option<&ClusterQueue>) -> bool {
        let quota = queue.map(Quota::of);
        let mut reported = Sheet::new();
        for flavor in queue.iter().flat_map(|queue| &queue.status.flavors_reservation) {
            for resource in &flavor.resources {
                let amount = Amount::of(resource.total);
                change_sheet(&mut reported, &flavor.name, &resource.name, |sum| sum.add(amount));
            }
        }
        let changed = self.quota != quota || self.reported != reported;
        (self.quota, self.reported) = (quota, reported);
        changed
    }

    pub(super) fn promised(&self, resource: &str) -> Amount {
        self.promised.get(resource).copied().unwrap_or_default()
    }

    /// What it uses beyond its own quota, and so of others'. A queue that is not known may be in
    /// any cohort and own nothing.
    pub(super) fn borrows(&self, flavor: &str, resource: &str) -> Amount {
        let used = self.used(flavor, resource);
        match &self.quota {
            None => used,
            Some(quota) if quota.in_cohort() => used.above(quota.nominal(flavor, resource)),
            Some(_) => Amount::default(),
        }
    }

    pub(super) fn change_used(
        &mut self,
        flavor: &str,
        resource: &str,
        change: Amount,
        by: fn(&mut Amount, Amount),
    ) {
        change_sheet(&mut self.used, flavor, resource, |amount| by(amount, change));
    }

    pub(super) fn change_promised(
        &mut self,
        resource: &str,
        change: Amount,
        by: fn(&mut Amount, Amount),
    ) {
        change_entry(&mut self.promised, resource, |amount| by(amount, change));
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_empty(&self) -> bool {
        self.quota.is_none()
            && self.used.is_empty()
            && self.reported.is_empty()
            && self.promised.is_empty()
    }
}

/// What all queues together use beyond their own quota, whatever their cohorts.
#[derive(Debug, Default)]
pub(super) struct Lent(Sheet);

impl Lent {
    pub(super) fn of(&self, flavor: &str, resource: &str) -> Amount {
        read(&self.0, flavor, resource)
    }

    /// One queue's part has changed.
    pub(super) fn replace(&mut self, flavor: &str, resource: &str, before: Amount, after: Amount) {
        if before != after {
            change_sheet(&mut self.0, flavor, resource, |amount| {
                amount.add(after);
                amount.subtract(before);
            });
        }
    }

    /// Leaves a queue's part out, before its quota changes.
    pub(super) fn forget(&mut self, account: &Account) {
        for (flavor, resource) in account.pairs() {
            self.replace(flavor, resource, account.borrows(flavor, resource), Amount::default());
        }
    }

    /// Enters a queue's part, after its quota has changed.
    pub(super) fn enter(&mut self, account: &Account) {
        for (flavor, resource) in account.pairs() {
            self.replace(flavor, resource, Amount::default(), account.borrows(flavor, resource));
        }
    }
}

impl Account {
    /// Every resource of every flavor of which something is used, once.
    fn pairs(&self) -> BTreeSet<(&str, &str)> {
        let sheets = self.used.iter().chain(&self.reported);
        sheets.flat_map(|(flavor, row)| row.keys().map(move |r| (&**flavor, &**r))).collect()
    }
}

fn read(sheet: &Sheet, flavor: &str, resource: &str) -> Amount {
    sheet.get(flavor).and_then(|row| row.get(resource)).copied().unwrap_or_default()
}

fn change_sheet(sheet: &mut Sheet, flavor: &str, resource: &str, change: impl FnOnce(&mut Amount)) {
    if !sheet.contains_key(flavor) {
        sheet.insert(flavor.into(), BTreeMap::new());
    }
    if let Some(row) = sheet.get_mut(flavor) {
        change_entry(row, resource, change);
        if row.is_empty() {
            sheet.remove(flavor);
        }
    }
}

/// Changes one amount, and keeps none that is nothing.
fn change_entry(
    row: &mut BTreeMap<Box<str>, Amount>,
    resource: &str,
    change: impl FnOnce(&mut Amount),
) {
    let mut amount = row.get(resource).copied().unwrap_or_default();
    change(&mut amount);
    if amount == Amount::default() {
        row.remove(resource);
    } else if let Some(entry) = row.get_mut(resource) {
        *entry = amount;
    } else {
        row.insert(resource.into(), amount);
    }
}
