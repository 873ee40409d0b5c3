//! Quota views: who counts the quota of a job, and since when it holds some. One small file for
//! each queue system.
//!
//! Who stops and starts the Pods is another question ([`crate::lever`]).

mod kueue;
mod ledger;
mod nobody;

use jiff::Timestamp;

use crate::resolve::Queue;

pub use ledger::Ledger;
pub use nobody::Unmanaged;

/// What the counter of a job's quota says.
pub trait QuotaView {
    /// The queue that the job stands in.
    fn queue(&self) -> Queue;

    /// Whether the job may be acted on, and for which admission.
    fn admission(&self) -> Admission;

    /// Whether it holds no quota any more, once it was stopped.
    fn is_released(&self) -> bool;
}

/// Whether a job holds quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It does, since then. That moment names the admission: one action each.
    Since(Timestamp),
    /// It does not, or it is being stopped: nothing is to be given back.
    None,
    /// It may only be reported.
    Foreign(Foreign),
}

/// Why a job may only be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Foreign {
    /// Its Workload is the copy of one that a MultiKueue manager owns.
    MultiKueueWorker,
    /// Another system runs it.
    ForeignManager,
}
