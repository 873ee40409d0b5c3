//! The contract: what people write into an `ImagePullPolicy` and what they read back from it.
//!
//! Plain values that serde reads and writes and of which schemars makes the CRD's schema. Every
//! default has one source, the `Default` of its type: the schema and decoding both take it from
//! there. What a reader of `kubectl explain` sees is the text of the fields here.

mod condition;
mod limits;
mod rule;
pub mod spec;
pub mod status;
mod structural;
mod text;
pub mod validate;

pub use condition::{Condition, ConditionStatus, READY, RECONCILING, STALLED, reason};
pub use limits::{Afterwards, Budget, Hold, Outage, Requeue};
pub use rule::{Action, Rule, RunningPeers, Threshold, default_rules};
pub use spec::{EVERY_LOCAL_QUEUE, ImagePullPolicySpec, Mode, QueueKind, QueueRef};
pub use status::{
    ActionCounts, AuditCounts, BudgetUse, FailingJob, FailingState, ImagePullPolicyStatus,
    NOT_OBSERVED, OpenOutage, QueueState, QueueStatus, RecentAction,
};
pub use structural::schema;
pub use text::{bounds, clip};

/// The API group.
pub const GROUP: &str = "dislodge.dev";
/// The only version so far.
pub const VERSION: &str = "v1alpha1";
/// Group and version, as objects write them.
pub const API_VERSION: &str = "dislodge.dev/v1alpha1";
/// The kind. It is not the field `imagePullPolicy` of containers.
pub const KIND: &str = "ImagePullPolicy";
/// The resource's name in URLs and roles.
pub const PLURAL: &str = "imagepullpolicies";
/// The resource's name for one object.
pub const SINGULAR: &str = "imagepullpolicy";
/// What `kubectl get` takes in place of the long name.
pub const SHORT_NAME: &str = "ipp";
/// The group of resources that `kubectl get batch-queue` lists.
pub const CATEGORY: &str = "batch-queue";
