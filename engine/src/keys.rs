//! Every annotation, label and finalizer that Dislodge reads or writes.

/// A hold's id, unique per hold: on the object that carries the lever, and once more on the
/// owner's object when it has been told.
pub const HOLD: &str = "dislodge.dev/hold";
/// The policy by which the hold was taken, by name: on the object that carries the lever.
pub const HOLD_POLICY: &str = "dislodge.dev/hold-policy";
/// What a hold leads to; `Fail`: the job is to be finished.
pub const THEN: &str = "dislodge.dev/then";
/// When a hold ends by itself (RFC 3339); absent: it waits for a person.
pub const RESUME_AT: &str = "dislodge.dev/resume-at";
/// One sentence: image, cause, failed pulls, next step.
pub const HELD: &str = "dislodge.dev/held";
/// The cause of the hold.
pub const HELD_CAUSE: &str = "dislodge.dev/held-cause";
/// The image that could not be pulled.
pub const HELD_IMAGE: &str = "dislodge.dev/held-image";
/// The rule that decided, by name.
pub const HELD_RULE: &str = "dislodge.dev/held-rule";
/// When it was decided (RFC 3339).
pub const HELD_AT: &str = "dislodge.dev/held-at";
/// What the job asks its queue for: on a Workload that is to come back by itself.
pub const HELD_QUOTA: &str = "dislodge.dev/held-quota";
/// How often Dislodge has requeued the job, since a person resumed it last.
pub const REQUEUES: &str = "dislodge.dev/requeues";
/// The rule that requeued the job last, by name: fewer failed pulls suffice it the next time.
pub const REQUEUED_BY: &str = "dislodge.dev/requeued-by";
/// How often people have resumed the job.
pub const RESUMES: &str = "dislodge.dev/resumes";
/// The hold whose end by a person was counted last: so that a crash does not count it twice.
pub const RESUMED: &str = "dislodge.dev/resumed";
/// The condition that we set on a Pod whose Job decides itself what becomes of it.
pub const POD_CONDITION: &str = "dislodge.dev/ImagePullFailed";
/// Written by people: no new action on this job, and why.
pub const IGNORE: &str = "dislodge.dev/ignore";
/// Written by people: resume the hold with this id.
pub const RESUME: &str = "dislodge.dev/resume";
/// Written by operators, on the Lease or on a policy: pause, and why.
pub const PAUSED: &str = "dislodge.dev/paused";

/// The Workload of a Pod (Kueue: `WorkloadAnnotation`).
pub const KUEUE_WORKLOAD: &str = "kueue.x-k8s.io/workload";
/// The LocalQueue that a job is submitted to (Kueue: `QueueLabel`).
pub const KUEUE_QUEUE: &str = "kueue.x-k8s.io/queue-name";
/// The uid of the job that a Workload stands for (Kueue: `JobUIDLabel`).
pub const KUEUE_JOB_UID: &str = "kueue.x-k8s.io/job-uid";
/// The Pod group that a Pod belongs to (Kueue: `GroupNameLabel`).
pub const KUEUE_POD_GROUP: &str = "kueue.x-k8s.io/pod-group-name";
/// On a Pod of a group: `false` lets the group end when the Pod has failed, in place of waiting for
/// another one (Kueue: `RetriableInGroupAnnotationKey`).
pub const KUEUE_RETRIABLE: &str = "kueue.x-k8s.io/retriable-in-group";
/// Marks the copy of a Workload on a MultiKueue worker (Kueue: `MultiKueueOriginLabel`).
pub const KUEUE_ORIGIN: &str = "kueue.x-k8s.io/multikueue-origin";
/// Marks a Pod that the kubelet made by itself (Kubernetes: `MirrorPodAnnotationKey`).
pub const MIRROR_POD: &str = "kubernetes.io/config.mirror";
/// The index of a Pod in its Job (Kubernetes: `JobCompletionIndexAnnotation`).
pub const JOB_INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// The Pod group of Volcano and of those that took its word for it.
pub const VOLCANO_GROUP: &str = "scheduling.k8s.io/group-name";
/// The application of YuniKorn.
pub const YUNIKORN_APP: &str = "yunikorn.apache.org/app-id";
/// The Pod group of KAI.
pub const KAI_GROUP: &str = "pod-group-name";

/// Annotations by which other queue systems claim a Job's Pods as one group.
pub const FOREIGN_GROUPS: [&str; 3] = [VOLCANO_GROUP, YUNIKORN_APP, KAI_GROUP];

/// Annotations on the owner's object that tell of a hold and go with it.
pub const EXPLANATION: [&str; 6] = [HELD, HELD_CAUSE, HELD_IMAGE, HELD_RULE, HELD_AT, HOLD];

/// Annotations on the object that carries the lever, and go with the hold.
pub const HOLD_KEYS: [&str; 10] = [
    HOLD,
    HOLD_POLICY,
    THEN,
    RESUME_AT,
    HELD_QUOTA,
    HELD,
    HELD_CAUSE,
    HELD_IMAGE,
    HELD_RULE,
    HELD_AT,
];

/// Annotations that tell what has been done to a job so far.
pub const PAST: [&str; 5] = [REQUEUES, REQUEUED_BY, RESUMES, RESUMED, RESUME];

/// Whether anybody reads a label or annotation: all others are dropped while decoding.
pub fn is_read(key: &str) -> bool {
    key.starts_with("dislodge.dev/")
        || matches!(
            key,
            KUEUE_WORKLOAD
                | KUEUE_QUEUE
                | KUEUE_RETRIABLE
                | KUEUE_ORIGIN
                | MIRROR_POD
                | JOB_INDEX
                | VOLCANO_GROUP
                | YUNIKORN_APP
                | KAI_GROUP
        )
}
