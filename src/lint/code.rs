//! Every kind of finding: its code, how severe it is, why it is told, and what mends it.
//!
//! Codes are stable: scripts name them. A code that is given up is never used again.

use std::str::FromStr;

/// How severe a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Severity {
    /// It may well be meant; there is a reason to look.
    Advice,
    /// It does otherwise than it seems to.
    Warning,
    /// The API server refuses it, or the controller cannot carry it out.
    Error,
}

impl Severity {
    /// The name, as it is printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Advice => "advice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What there is to say of a code.
#[derive(Debug)]
pub struct Entry {
    /// The code itself.
    pub id: &'static str,
    /// A name that can be read.
    pub name: &'static str,
    /// What is found, as a sentence.
    pub what: &'static str,
    /// Why that matters.
    pub why: &'static str,
}

macro_rules! codes {
    ($($variant:ident $id:literal $name:literal $severity:ident $what:literal $why:literal)+) => {
        /// A kind of finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $what] $variant,)+
        }

        impl Code {
            /// All codes, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// What there is to say of it.
            pub const fn entry(self) -> &'static Entry {
                match self {
                    $(Self::$variant => &Entry { id: $id, name: $name, what: $what, why: $why },)+
                }
            }

            /// How severe it is.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)+
                }
            }
        }
    };
}

codes! {
    UnreadableFile "DL100" "unreadable-file" Error
        "A file cannot be read, is no text, or is too long."
        "Nothing in it was checked; the command ends with exit code 2."
    Syntax "DL101" "syntax" Error
        "A file is neither YAML nor JSON, or repeats itself beyond all bounds by aliases."
        "No tool can apply it, and nothing in it was checked."
    NoPolicy "DL102" "no-policy" Error
        "A file or a folder that was named has no ImagePullPolicy in it."
        "A check that checks nothing passes for ever: most often the path is wrong."
    WrongKind "DL103" "wrong-kind" Error
        "A document is nearly an ImagePullPolicy: its kind or apiVersion is written otherwise."
        "The API server does not know it under that name."
    UnknownField "DL104" "unknown-field" Error
        "A field does not exist."
        "The API server refuses it where it validates strictly (kubectl's default), and drops it where not: what it was to say is then lost without a word."
    MissingField "DL105" "missing-field" Error
        "A field that has to be given is missing."
        "The API server refuses the policy."
    WrongType "DL106" "wrong-type" Error
        "A value is of another type, such as text in place of a number."
        "The API server refuses the policy. Seconds are whole numbers, never durations such as 5m."
    WrongValue "DL107" "wrong-value" Error
        "A value is none of those that the field may have."
        "The API server refuses the policy. A reason of the kubelet (ErrImagePull) is no cause: `dislodge classify` tells the cause of a message."
    OutOfBounds "DL108" "out-of-bounds" Error
        "A number, a text or a list is beyond the bounds of its field."
        "The API server refuses the policy."
    Duplicate "DL109" "duplicate" Error
        "An item stands twice in a list whose items have to differ."
        "The API server refuses the policy."
    BrokenRule "DL110" "broken-rule" Error
        "Fields do not fit together, or a name is not written as names are."
        "The API server refuses the policy, by a rule of the CRD."
    ContestedQueue "DL111" "contested-queue" Error
        "Two policies of a namespace name the same queue."
        "Only one governs it, the older one; the other says Contested in its status and is not Ready. A queue that is named exactly comes before '*' and is not contested by it."
    SamePolicyTwice "DL112" "same-policy-twice" Error
        "Two policies of a namespace have the same name."
        "They are one object: the one that is applied last replaces the other."
    UnreachableRule "DL201" "unreachable-rule" Warning
        "A rule can never decide: each of its causes is listed by a rule before it."
        "The first rule that lists a cause decides. What the later one says is never done."
    UnreachableCause "DL202" "unreachable-cause" Warning
        "A cause of a rule is listed by a rule before it."
        "The first rule that lists a cause decides, with its own threshold and action."
    LateRule "DL203" "late-rule" Warning
        "A rule cannot act before the job has failed for more than an hour."
        "The kubelet tries again after 10 s, 20 s, 40 s and so on, at most every 300 s, so that many failed pulls take long: 17 take an hour. All the while the job holds its quota."
    StricterAfterRequeue "DL204" "stricter-after-requeue" Warning
        "A job that came back needs more failed pulls than it needed the first time."
        "`requeue.failedPulls` takes the place of the rule's threshold after a return; it is meant to be the smaller one."
    EndlessRequeue "DL205" "endless-requeue" Warning
        "A job may be sent back for longer than a week before `requeue.afterwards` applies."
        "It takes its quota again at each return, for an image that did not come all the while."
    ShortHold "DL206" "short-hold" Warning
        "A held job is failed after less than ten minutes."
        "Nobody can read the reason and mend the image in that time. Where the job is to fail, FailJob says so plainly."
    HopelessRequeue "DL207" "hopeless-requeue" Warning
        "RequeueJob for a cause that no return can mend."
        "A job's images cannot be changed, and the reference or the manifest stays what it is on every node."
    FailedAlthoughTransient "DL208" "failed-although-transient" Warning
        "FailJob for a cause that may mend itself."
        "The registry may be back in a minute; a job that was failed is not."
    SinglePull "DL209" "single-pull" Warning
        "A job is stopped after one failed pull for a cause that may mend itself."
        "Each hiccup of a registry then stops jobs: the second try comes after 10 s and most often succeeds."
    FailingSecondsWithoutEffect "DL301" "failing-seconds-without-effect" Advice
        "`failingSeconds` changes nothing: the failed pulls alone take as long."
        "The kubelet's pauses between pulls are at least 10, 20, 40, 80, 160 and then 300 s: 3 failed pulls take 30 s, 6 take 310 s."
    LaterThanWritten "DL302" "later-than-written" Advice
        "A rule acts more than a minute later than `failingSeconds` says."
        "A verdict follows from a failed pull, never from time alone, and the kubelet pulls more rarely the longer it fails."
    CauseWithoutRule "DL303" "cause-without-rule" Advice
        "A policy with rules of its own lists some causes in none."
        "Jobs that fail for them are only reported, with reason NoRule. A last rule with action Report says that it is meant."
    NarrowBudget "DL304" "narrow-budget" Advice
        "The budget is smaller than the queue is wide (`--queue-width`), or than the number of queues."
        "A mistake that hits every job of the queue is then undone in several windows. It is a brake, so that may be just right."
    BudgetBeforeOutage "DL305" "budget-before-outage" Advice
        "The budget is used up before an outage can be told."
        "A registry counts as down after `outage.distinctJobs` jobs: with a smaller budget that many may have been stopped for it before, as far as the rules are fast enough."
    UnusedHold "DL306" "unused-hold" Advice
        "`hold.maxSeconds` is set, and nothing suspends jobs."
        "It counts for jobs that are held until a person resumes them: by SuspendJob, or by `requeue.afterwards: SuspendJob`."
    UnusedRequeue "DL307" "unused-requeue" Advice
        "`requeue` is set, and no rule requeues."
        "It says how RequeueJob sends jobs back."
    AuditByDefault "DL308" "audit-by-default" Advice
        "`mode` is not set, so that the policy only reports."
        "That is how to begin; writing `mode: Audit` tells the next reader that it is meant."
    ServerWritten "DL309" "server-written" Advice
        "The file has fields that the API server or the controller write."
        "`status` is dropped, and uid or resourceVersion refuse the file on every other cluster."
    SuspendedAlthoughTransient "DL310" "suspended-although-transient" Advice
        "SuspendJob for a cause that may mend itself."
        "A person has to resume the job, although the registry may be back in a minute; RequeueJob comes back by itself, and ends in the same."
}

impl Code {
    /// The code as it is printed: `DL201`.
    pub const fn id(self) -> &'static str {
        self.entry().id
    }

    /// Its name: `unreachable-rule`.
    pub const fn name(self) -> &'static str {
        self.entry().name
    }
}

impl FromStr for Code {
    type Err = String;

    /// Reads a code or its name.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = |code: &&Self| {
            code.id().eq_ignore_ascii_case(text) || code.name().eq_ignore_ascii_case(text)
        };
        Self::ALL.iter().find(named).copied().ok_or_else(|| {
            "there is no such code: write one of docs/linting.md, such as DL201 or unreachable-rule"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_in_order_and_tell_how_severe_they_are() {
        let ids: Vec<&str> = Code::ALL.iter().map(|code| code.id()).collect();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(ids, sorted);
        for code in Code::ALL {
            let expected = match code.id().as_bytes()[2] {
                b'1' => Severity::Error,
                b'2' => Severity::Warning,
                _ => Severity::Advice,
            };
            assert_eq!(code.severity(), expected, "{}", code.id());
        }
    }

    #[test]
    fn a_code_is_read_by_its_id_and_by_its_name() {
        for code in Code::ALL {
            assert_eq!(code.id().parse(), Ok(*code));
            assert_eq!(code.name().to_uppercase().parse(), Ok(*code));
        }
        assert!("DL999".parse::<Code>().unwrap_err().contains("DL201"));
    }
}
