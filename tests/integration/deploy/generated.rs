//! What the chart takes word for word from the CRD and the base: the rights, the guard, the alerts, the dashboard. It is
//! written by `make generate`, so that each stands in one place.

use std::fmt::Write as _;

use super::root;
use crate::Outcome;

/// A file of the chart, and where it comes from.
struct Template {
    file: &'static str,
    source: &'static str,
    /// What stands in place of what.
    changes: &'static [(&'static str, &'static str)],
    /// When an object is rendered, by its name.
    condition: fn(&str) -> String,
    /// What its name becomes.
    name: fn(&str) -> String,
    /// Whether it lies in the release's namespace.
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    Release,
    /// As far as the scope says so.
    Scoped,
}

const RELEASE: &str = "{{ include \"dislodge.fullname\" . }}";
const CLUSTER: &str = "{{ include \"dislodge.clusterName\" . }}";

const TEMPLATES: [Template; 6] = [
    Template {
        file: "crd.yaml",
        source: dislodge::crd::FILE,
        changes: &[],
        condition: |_| ".Values.crds.enabled".to_owned(),
        name: str::to_owned,
        place: Place::Nowhere,
    },
    Template {
        file: "guard.yaml",
        source: "deploy/base/guard.yaml",
        changes: &[
            (
                "'system:serviceaccount:dislodge-system:dislodge'",
                "'system:serviceaccount:{{ .Release.Namespace }}:{{ include \"dislodge.serviceAccountName\" . }}'",
            ),
            (
                "policyName: dislodge-guard",
                "policyName: {{ include \"dislodge.clusterName\" . }}-guard",
            ),
        ],
        condition: |_| ".Values.guard.enabled".to_owned(),
        name: |name| name.replace("dislodge", CLUSTER),
        place: Place::Nowhere,
    },
    Template {
        file: "cluster_roles.yaml",
        source: "deploy/base/cluster_role.yaml",
        changes: &[],
        condition: |name| {
            let step = name.trim_start_matches("dislodge-");
            format!(
                "and .Values.rbac.create (has \"{step}\" (include \"dislodge.steps\" . | splitList \",\"))"
            )
        },
        name: |name| match name {
            "dislodge-cluster" => name.replace("dislodge", CLUSTER),
            _ => name.replace("dislodge", RELEASE),
        },
        place: Place::Scoped,
    },
    Template {
        file: "policy_roles.yaml",
        source: "deploy/base/policy_roles.yaml",
        changes: &[],
        condition: |_| "and .Values.rbac.create .Values.rbac.policyRoles".to_owned(),
        name: |name| name.replace("dislodge", CLUSTER),
        place: Place::Nowhere,
    },
    Template {
        file: "role.yaml",
        source: "deploy/base/role.yaml",
        changes: &[],
        condition: |_| ".Values.rbac.create".to_owned(),
        name: |_| RELEASE.replace(" }}", " | quote }}"),
        place: Place::Release,
    },
    Template {
        file: "prometheus_rule.yaml",
        source: "deploy/components/alerts/prometheus_rule.yaml",
        changes: &[(
            "https://git.example/platform/dislodge/blob/main/docs/runbooks",
            "{{ .Values.metrics.prometheusRule.runbookUrl }}",
        )],
        condition: |_| ".Values.metrics.prometheusRule.enabled".to_owned(),
        name: |_| RELEASE.replace(" }}", " | quote }}"),
        place: Place::Release,
    },
];

pub(super) fn is_current() -> Outcome {
    for template in TEMPLATES {
        let source = std::fs::read_to_string(root().join(template.source))?;
        current(&format!("deploy/chart/templates/{}", template.file), &template.render(&source))?;
    }
    // A chart reads no file but its own.
    let dashboard = root().join("deploy/components/dashboard/dislodge.json");
    current("deploy/chart/dashboards/dislodge.json", &std::fs::read_to_string(dashboard)?)
}

/// Compares a generated file with what it should be; writes it where `BLESS` is set.
pub(super) fn current(file: &str, text: &str) -> Outcome {
    let path = root().join(file);
    if std::env::var_os("BLESS").is_some() {
        return Ok(std::fs::write(path, text)?);
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    if found == text {
        return Ok(());
    }
    Err(format!("{file} is stale: run `make generate` and commit it").into())
}

impl Template {
    fn render(&self, source: &str) -> String {
        let mut text = format!(
            "{{{{- /* Generated from {} by `make generate`. Change that. */}}}}\n",
            self.source
        );
        for document in source.split("---\n") {
            text.push_str(&self.document(document));
        }
        text
    }

    /// One object: under its condition, with the release's name, place and labels.
    fn document(&self, document: &str) -> String {
        let lines: Vec<&str> = document.lines().skip_while(|line| line.starts_with('#')).collect();
        let name = lines.iter().find_map(|line| line.strip_prefix("  name: ")).unwrap_or_default();
        // What a role of the first step grants lies in no namespace.
        let scoped = self.place == Place::Scoped && name != "dislodge-cluster";
        let mut text = format!("{{{{- if {} }}}}\n---\n", (self.condition)(name));
        let mut in_metadata = false;
        for line in lines {
            let starts = !line.starts_with([' ', '-']);
            if in_metadata && starts {
                in_metadata = false;
            }
            match line {
                "metadata:" => {
                    in_metadata = true;
                    self.metadata(&mut text, name, scoped);
                }
                "kind: ClusterRole" if scoped => {
                    text.push_str("kind: {{ include \"dislodge.roleKind\" . }}\n");
                }
                // Labels of its own stand behind those of the release.
                line if in_metadata && !line.starts_with("    ") => {}
                line => {
                    let line = self.escaped(line);
                    let _infallible = writeln!(text, "{line}");
                }
            }
        }
        text.push_str("{{- end }}\n");
        text
    }

    fn metadata(&self, text: &mut String, name: &str, scoped: bool) {
        let _infallible = writeln!(text, "metadata:\n  name: {}", (self.name)(name));
        let place = "  namespace: {{ .Release.Namespace | quote }}\n";
        match self.place {
            Place::Release => text.push_str(place),
            Place::Scoped if scoped => {
                text.push_str("  {{- if eq .Values.scope \"Namespace\" }}\n");
                text.push_str(place);
                text.push_str("  {{- end }}\n");
            }
            Place::Scoped | Place::Nowhere => {}
        }
        if self.file == "crd.yaml" {
            text.push_str("  {{- if .Values.crds.keep }}\n");
            text.push_str("  annotations:\n    helm.sh/resource-policy: keep\n  {{- end }}\n");
        }
        let labels = match self.file {
            "prometheus_rule.yaml" => {
                "    {{- merge (include \"dislodge.labels\" . | fromYaml) \
                 .Values.metrics.prometheusRule.labels | toYaml | nindent 4 }}\n"
            }
            _ => "    {{- include \"dislodge.labels\" . | nindent 4 }}\n",
        };
        text.push_str("  labels:\n");
        text.push_str(labels);
    }

    /// A line of the source, with what Helm would take for its own put into quotes.
    fn escaped(&self, line: &str) -> String {
        let escaped = line.replace("{{", "\u{1}").replace("}}", "\u{2}");
        let mut escaped = escaped.replace('\u{1}', "{{ \"{{\" }}").replace('\u{2}', "{{ \"}}\" }}");
        for (from, to) in self.changes {
            escaped = escaped.replace(from, to);
        }
        escaped
    }
}
