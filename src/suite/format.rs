//! Suites as people write them. What editors know of them is made of these types ([`super::schema`]).

use std::fmt;

use dislodge_engine::api::{Action, Mode};
use dislodge_engine::cause::Cause;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reason;
use crate::scenario::{Happening, Image, Job, Node, PullPlan, Queue, half_an_hour, one};

/// Group and version of suites.
pub(super) const API_VERSION: &str = "test.dislodge.dev/v1alpha1";
/// Their kind.
pub(super) const KIND: &str = "Suite";

/// Unit tests of policies: `dislodge test` plays each case by the engine that the controller runs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Suite {
    /// Group and version.
    #[schemars(extend("const" = API_VERSION))]
    #[serde(rename = "apiVersion")]
    pub(super) _api_version: String,
    /// The kind.
    #[schemars(extend("const" = KIND))]
    #[serde(rename = "kind")]
    pub(super) _kind: String,
    /// The files with the policies, relative to the suite's folder. Documents of other kinds in them are left
    /// out.
    #[schemars(length(min = 1))]
    pub(super) policies: Vec<String>,
    /// The namespace of policies, jobs and objects that name none. Default: the one that the
    /// policies name, else `default`.
    pub(super) namespace: Option<String>,
    /// The mode of all policies, in place of their own: what they would do in mode Enforce can be
    /// tested while they are in mode Audit.
    pub(super) mode: Option<Mode>,
    /// The cases. No two have the same name.
    #[schemars(length(min = 1))]
    pub(super) cases: Vec<Case>,
}

/// A case: a `job`; or `jobs` and how the pulls of their `images` go; or `objects` as they are at one time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Case {
    /// What holds, as a sentence.
    #[schemars(length(min = 1, max = 253))]
    pub(super) name: String,
    /// One job, and how the pulls of its image go.
    pub(super) job: Option<OneJob>,
    /// Several jobs.
    #[serde(default)]
    pub(super) jobs: Vec<Job>,
    /// How the pulls of their images go. Those of an image that is not named succeed after 20 s.
    #[serde(default)]
    pub(super) images: Vec<Image>,
    /// Their queues. One that is not named has quota for all jobs.
    #[serde(default)]
    pub(super) queues: Vec<Queue>,
    /// The nodes. Default: one that is large enough.
    #[serde(default)]
    pub(super) nodes: Vec<Node>,
    /// What happens while it is played.
    #[serde(default)]
    pub(super) events: Vec<Happening>,
    /// Kueue's `waitForPodsReady.timeout`; 0: none. Default: 1800.
    #[serde(default = "half_an_hour")]
    #[schemars(range(min = 0, max = 604_800))]
    pub(super) pods_ready_timeout_seconds: u64,
    /// Objects of a cluster as they are at one time.
    pub(super) objects: Option<Objects>,
    /// How long it is played, from the last job's submission on. Default: 3600, or as long as
    /// the times in `expect` ask for.
    #[schemars(range(min = 1, max = 604_800))]
    pub(super) for_seconds: Option<u64>,
    /// What is decided of the job; or a list of what is decided of each job, one after the other.
    pub(super) expect: OneOrMany<Expectation>,
}

/// A job with the only container's image, and how its pulls go.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OneJob {
    /// The name. Default: `job`.
    #[serde(default = "job")]
    pub(super) name: String,
    /// The namespace. Default: that of the suite.
    #[serde(default)]
    pub(super) namespace: String,
    /// The LocalQueue; absent: no queue system manages it.
    pub(super) queue: Option<String>,
    /// The image. Default: `registry.example/app:v1`.
    #[serde(default = "image")]
    pub(super) image: String,
    /// Its pulls by all Pods, one after the other; the last one stays. Default: they succeed after 20 s.
    #[serde(default)]
    pub(super) pulls: Vec<PullPlan>,
    /// When its containers end well. Default: they run for ever.
    pub(super) runs_seconds: Option<u64>,
    /// How many Pods it runs at once. Default: 1.
    #[serde(default = "one")]
    pub(super) pods: u32,
}

fn job() -> String {
    "job".to_owned()
}

fn image() -> String {
    "registry.example/app:v1".to_owned()
}

/// Objects as `kubectl get -o yaml --show-managed-fields` writes them. A Pod without its Job is of one that is
/// assumed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Objects {
    /// Files with them, relative to the suite's folder.
    #[serde(default)]
    pub(super) files: Vec<String>,
    /// The objects themselves.
    #[serde(default)]
    #[schemars(schema_with = "any_objects")]
    pub(super) inline: Vec<Value>,
    /// The LocalQueue of Jobs that are assumed; absent: no queue system manages them.
    pub(super) queue: Option<String>,
}

/// What is decided of a job, or not decided. What is not given may be anything.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Expectation {
    /// Of which job, as `name` or `namespace/name`. Needed where the case has several.
    pub(super) job: Option<String>,
    /// What is done. None: nothing, until the end or `beforeSeconds`.
    pub(super) action: ExpectedAction,
    /// Why so, or why nothing: a word of the engine.
    #[schemars(extend("enum" = reason::ALL))]
    pub(super) reason: Option<String>,
    /// Why the image cannot be pulled.
    pub(super) cause: Option<Cause>,
    /// The rule that decides.
    pub(super) rule: Option<String>,
    /// The policy that decides.
    pub(super) policy: Option<String>,
    /// How many failed pulls in a row are counted.
    pub(super) failed_pulls: Option<u32>,
    /// When, in whole seconds from the job's submission.
    pub(super) at_seconds: Option<u64>,
    /// No later than that. With action None: nothing is decided until then.
    pub(super) before_seconds: Option<u64>,
    /// No earlier than that.
    pub(super) after_seconds: Option<u64>,
}

/// What is done to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub(super) enum ExpectedAction {
    /// It is stopped and ended as failed.
    FailJob,
    /// It is stopped until a person resumes it.
    SuspendJob,
    /// It is stopped and sent back into its queue after a while.
    RequeueJob,
    /// It is reported, and nothing more.
    Report,
    /// Nothing.
    None,
}

impl ExpectedAction {
    /// The word.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::FailJob => "FailJob",
            Self::SuspendJob => "SuspendJob",
            Self::RequeueJob => "RequeueJob",
            Self::Report => "Report",
            Self::None => "None",
        }
    }
}

impl From<Action> for ExpectedAction {
    fn from(action: Action) -> Self {
        match action {
            Action::FailJob => Self::FailJob,
            Action::SuspendJob => Self::SuspendJob,
            Action::RequeueJob => Self::RequeueJob,
            Action::Report => Self::Report,
        }
    }
}

/// One, or a list.
#[derive(Clone, Debug)]
pub(super) enum OneOrMany<T> {
    One(Box<T>),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for OneOrMany<T> {
    /// Not `untagged`, which would lose the place of a mistake and its words.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrManyVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: DeserializeOwned> Visitor<'de> for OneOrManyVisitor<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one object or a list of them")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let map = de::value::MapAccessDeserializer::new(map);
                T::deserialize(map).map(Box::new).map(OneOrMany::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                let seq = de::value::SeqAccessDeserializer::new(seq);
                Vec::deserialize(seq).map(OneOrMany::Many)
            }
        }
        deserializer.deserialize_any(OneOrManyVisitor(std::marker::PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({"anyOf": [one, {"type": "array", "minItems": 1, "items": one}]})
    }
}

fn any_objects(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {"type": "object", "required": ["kind"]}})
}
