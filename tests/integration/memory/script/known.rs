//! Where the server in memory is known to answer otherwise than the real one, and why.

/// A part of the step's title, what the path of the difference ends in, and the reason.
const KNOWN: &[(&str, &str, &str)] = &[
    ("create nothing", "/message", "the words of Go's JSON decoder"),
    ("merge no JSON", "/message", "the words of Go's JSON decoder"),
    ("operations that are none", "/message", "the words of Go's JSON decoder"),
    ("create without a kind", "/message", "the words of Go's JSON decoder"),
    ("create another kind", "/message", "the words of Go's conversions"),
    ("create in another version", "/message", "the words of Go's conversions"),
    ("replace another kind", "/message", "the words of Go's conversions"),
    ("merge another kind", "/message", "the words of Go's conversions"),
    ("merge another kind", "/details", "the same"),
    ("merge another kind", "/causes/0/message", "the same"),
    ("list by nonsense", "/message", "the words of Kubernetes' parser of selectors"),
    ("list from a bad token", "/message", "a token of ours is no JSON in base 64"),
    (
        "watch since nonsense",
        "",
        "an oversight of the real one: 500 without a reason, where it means 400",
    ),
    ("merge what is forbidden", "/message", "the real one adds the difference of two Go values"),
    ("the image of a held Job", "/message", "the real one tells the template as a Go value"),
    ("Job: create with a bad name", "/causes", "labels made of the name are checked as well"),
    ("Job: create with a bad name", "/message", "the same"),
    ("Job: merge with another uid", "/causes", "labels made of the uid are checked as well"),
    ("Job: merge with another uid", "/message", "the same"),
    ("CronJob: merge the status with another uid", "/causes", "this strategy looks but once"),
    ("ImagePullPolicy: create without a name", "/causes", "the note that rules were not checked"),
    ("ImagePullPolicy: create without a name", "/message", "the same"),
    (
        "ImagePullPolicy: create one by its path",
        "",
        "only custom resources are created so, and by nobody",
    ),
    ("ImagePullPolicy: delete the status", "", "other words, with details"),
    ("ImagePullPolicy: delete none in particular", "", "refused for another reason"),
    (
        "ImagePullPolicy",
        "/resourceVersion",
        "the default of a status is stored by the first update, here by the creation; one version less",
    ),
    ("ImagePullPolicy: watch since the list", "/body", "the same: one event less"),
    ("ImagePullPolicy: delete an old version", "/message", "the same: the version is told"),
];

/// Whether a difference is known.
pub(super) fn is_known(title: &str, path: &str) -> bool {
    KNOWN.iter().any(|(step, end, _)| title.contains(step) && path.ends_with(end))
}
