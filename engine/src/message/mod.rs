//! Why a pull failed: from the words of kubelets, container runtimes and registries to a [`Cause`].
//!
//! Keyword lists are wrong as soon as an image is called `team/timeout:404`. Three things make this
//! one right:
//!
//! 1. What only names something is no evidence: references, URLs, hosts, digests, paths and what
//!    stands in quotes are blanked out first ([`blanked`] shows what).
//! 2. The phrases of [`RULES`] are tried in order, the decisive ones first. Of the bare words
//!    `not found` containerd makes a missing tag, a missing platform, a manifest that it does not
//!    like, and a snapshot that another pull has removed.
//! 3. A number decides only right after the words that announce an HTTP status.
//!
//! Where a text holds several errors (one for each pull secret or mirror), the most lenient one
//! counts. Reading is linear in the text.

mod aggregate;
mod blank;
mod context;
mod envelope;
mod mask;
mod phrases;
mod rules;

use std::ops::Range;

use crate::cause::{Cause, Class};

pub use mask::mask;
pub use phrases::{RULES, Rule, Verdict};

use envelope::Gate;
use rules::View;

/// What a message was found to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading<'t> {
    /// Why the pull failed; `None` where it is no failure of an image pull.
    pub cause: Option<Cause>,
    /// What decided; `None` where nothing did.
    pub evidence: Option<Evidence<'t>>,
}

/// What decided on a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence<'t> {
    /// The very words, out of the message or the reason. Not masked.
    pub words: &'t str,
    /// Why they decide, and whose words they are.
    pub why: &'static str,
}

/// Reads a message. `reason` is a container's waiting reason or an Event's; without one the message
/// alone decides. `image` is the image as the Pod's spec writes it, where it is known.
pub fn read<'t>(reason: Option<&'t str>, text: &'t str, image: Option<&str>) -> Reading<'t> {
    let image = image.unwrap_or_default();
    match envelope::gate(reason.unwrap_or_default(), text) {
        Gate::Decided { cause, words, why } => {
            Reading { cause, evidence: Some(Evidence { words, why }) }
        }
        Gate::Mostly { words, reason, cause, why, unless } => {
            let said = decide(words, &blank::blank(words, image), false);
            let said = said.and_then(|(verdict, evidence)| Some((verdict.cause()?, evidence)));
            let (cause, evidence) = said
                .filter(|(said, _)| unless(*said))
                .unwrap_or((cause, Evidence { words: reason, why }));
            Reading { cause: Some(cause), evidence: Some(evidence) }
        }
        Gate::Pull { words, otherwise } => {
            let (verdict, evidence) = decide(words, &blank::blank(words, image), false).unzip();
            Reading { cause: verdict.and_then(Verdict::cause).or(Some(otherwise)), evidence }
        }
        Gate::Ask { words } => ask(words, image, reason.is_some_and(envelope::is_elsewhere)),
    }
}

/// Reads a text of which nobody says what it is about. `elsewhere`: it has a reason, and none that is
/// known to be about images.
fn ask<'t>(words: &'t str, image: &str, elsewhere: bool) -> Reading<'t> {
    let blanked = blank::blank(words, image);
    let said = decide(words, &blanked, true);
    let (verdict, evidence) = said.unzip();
    let about = envelope::is_about_a_pull(words, &blanked);
    // Anything can be not found.
    let vague = |verdict| verdict == Verdict::Cause(Cause::NotFound) || elsewhere;
    let (cause, evidence) = match verdict {
        Some(Verdict::NoPull) => (None, evidence),
        Some(verdict) if vague(verdict) && !about => (None, None),
        Some(verdict) => (verdict.cause(), evidence),
        None => (about.then_some(Cause::Unknown), None),
    };
    Reading { cause, evidence }
}

/// What follows the kubelet's own words in a back-off message: from Kubernetes 1.32 on the reason
/// and the message of the failed pull before.
pub fn repeated(text: &str) -> Option<(&str, &str)> {
    envelope::repeated(text)
}

/// The parts of the text that are no evidence, in order.
pub fn blanked(text: &str, image: Option<&str>) -> Vec<Range<usize>> {
    blank::ranges(&blank::blank(text, image.unwrap_or_default()))
}

/// The verdict on a text that may hold several errors, with the words that made it. `strangers`:
/// the text may be about something else than a pull.
fn decide<'t>(text: &'t str, blanked: &[u8], strangers: bool) -> Option<(Verdict, Evidence<'t>)> {
    let mut chosen: Option<(Verdict, Option<Evidence<'t>>)> = None;
    let members = aggregate::members(blanked);
    let view = View { strangers, mixed: members.list };
    for member in members.errors {
        let (error, raw) = (blanked.get(member.clone()), text.as_bytes().get(member.clone()));
        let found = error.zip(raw).and_then(|(error, raw)| rules::first(error, raw, view));
        let said = match found {
            Some(found) => {
                let words = member.start + found.words.start..member.start + found.words.end;
                let why = found.rule.why;
                (found.rule.verdict, text.get(words).map(|words| Evidence { words, why }))
            }
            None => (Verdict::Cause(Cause::Unknown), None),
        };
        let more_lenient = |(verdict, _): &(Verdict, _)| leniency(said.0) >= leniency(*verdict);
        if chosen.as_ref().is_none_or(more_lenient) {
            chosen = Some(said);
        }
    }
    // An error that cannot be read and outweighs the others leaves nothing to show.
    chosen.and_then(|(verdict, evidence)| Some((verdict, evidence?)))
}

/// How much a cause gives a pull the benefit of the doubt: of several errors in one text the
/// highest counts. That a pull may well go through later outweighs that it cannot; an error that
/// cannot be read may be of that kind. Of several that may go through the last counts: CRI-O names
/// the origin behind its mirrors.
fn leniency(verdict: Verdict) -> (u8, Option<Cause>) {
    let Some(cause) = verdict.cause() else { return (5, None) };
    match cause.class() {
        Class::Permanent => (0, Some(cause)),
        Class::Credentials => (1, Some(cause)),
        Class::Unknown => (2, None),
        Class::Node => (3, None),
        Class::Transient => (4, None),
    }
}

#[cfg(test)]
mod tests;
