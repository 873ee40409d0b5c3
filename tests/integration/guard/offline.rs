//! The guard's expressions, evaluated without an API server.
//!
//! kube-cel's own evaluator of such policies knows neither variables nor subresources, so that its
//! CEL is used directly.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube_cel::KubeCelExt as _;
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Context, Program, Value as Cel};
use serde_json::{Value, json};

use super::cases::Verdict;

/// The policy, compiled.
#[derive(Clone)]
pub(super) struct Guard {
    condition: Arc<Program>,
    variables: Vec<(String, Arc<Program>)>,
    validations: Vec<Validation>,
}

#[derive(Clone)]
struct Validation {
    expression: Arc<Program>,
    message: String,
    in_words: Option<Arc<Program>>,
}

impl Guard {
    /// Compiles a policy.
    pub(super) fn new(policy: &Value) -> Result<Self, String> {
        let list = |field: &str| policy["spec"][field].as_array().cloned().unwrap_or_default();
        let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
        let [condition] = list("matchConditions").try_into().map_err(|_| "one condition")?;
        let variables = list("variables").into_iter().map(|variable| {
            Ok((text(&variable, "name"), compile(&text(&variable, "expression"))?))
        });
        let validations = list("validations").into_iter().map(|validation| {
            let in_words = validation["messageExpression"].as_str().map(compile).transpose()?;
            Ok(Validation {
                expression: compile(&text(&validation, "expression"))?,
                message: text(&validation, "message"),
                in_words,
            })
        });
        Ok(Self {
            condition: compile(&text(&condition, "expression"))?,
            variables: variables.collect::<Result<_, String>>()?,
            validations: validations.collect::<Result<_, String>>()?,
        })
    }

    /// How many validations there are.
    pub(super) fn validations(&self) -> usize {
        self.validations.len()
    }

    /// The same policy without one of its validations.
    pub(super) fn without(&self, number: usize) -> Self {
        let mut guard = self.clone();
        guard.validations.remove(number);
        guard
    }

    /// Whether the requests of a user are looked at.
    pub(super) fn concerns(&self, user: &str) -> Result<bool, String> {
        let mut context = Context::default().with_all();
        set(&mut context, "request", &json!({"userInfo": {"username": user}}))?;
        let answer = self.condition.execute(&context).map_err(|error| error.to_string())?;
        Ok(answer == Cel::Bool(true))
    }

    /// What is said of a request. As on the API server with `failurePolicy: Fail`, a validation that
    /// cannot be evaluated refuses.
    pub(super) fn judge(&self, request: &[(&'static str, Value); 3]) -> Verdict {
        self.try_judge(request).unwrap_or_else(Verdict::Refused)
    }

    fn try_judge(&self, request: &[(&'static str, Value); 3]) -> Result<Verdict, String> {
        let mut context = Context::default().with_all();
        for (name, value) in request {
            set(&mut context, name, value)?;
        }
        // The API server evaluates a variable when it is used first: one that cannot be and is not
        // used does no harm.
        let mut known = BTreeMap::new();
        for (name, program) in &self.variables {
            context.add_variable_from_value("variables", map(&known));
            if let Ok(value) = program.execute(&context) {
                known.insert(name.clone(), value);
            }
        }
        context.add_variable_from_value("variables", map(&known));
        for validation in &self.validations {
            match validation.expression.execute(&context) {
                Ok(Cel::Bool(true)) => {}
                Ok(Cel::Bool(false)) => {
                    let words = validation.in_words.as_ref().and_then(|program| {
                        match program.execute(&context) {
                            Ok(Cel::String(words)) => Some(words.to_string()),
                            _ => None,
                        }
                    });
                    return Ok(Verdict::Refused(
                        words.unwrap_or_else(|| validation.message.clone()),
                    ));
                }
                Ok(other) => return Err(format!("{}: no boolean: {other:?}", validation.message)),
                Err(error) => return Err(format!("{}: {error}", validation.message)),
            }
        }
        Ok(Verdict::Passes)
    }
}

fn compile(expression: &str) -> Result<Arc<Program>, String> {
    Program::compile(expression).map(Arc::new).map_err(|error| format!("{expression}: {error}"))
}

fn set(context: &mut Context<'_>, name: &str, value: &Value) -> Result<(), String> {
    context.add_variable(name, value).map_err(|error| format!("{name}: {error}"))
}

fn map(values: &BTreeMap<String, Cel>) -> Cel {
    let entries =
        values.iter().map(|(name, value)| (Key::String(Arc::new(name.clone())), value.clone()));
    Cel::Map(Map { map: Arc::new(entries.collect()) })
}
