//! Two questions that no typed read answers: what time and version it is at the API server, and whether
//! another account has a right. Nothing is stored by either.

use http::Request;
use jiff::Timestamp;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::PostParams;
use kube::client::Body;
use kube::{Api, Client};
use serde_json::Value;

use super::facts::{Read, Right, Version};
use super::gather::answered;
use super::rights::{self, CLUSTER};
use crate::inspect::Error;
use crate::inspect::gather::refused;

/// The API server's version, and what time it is there: to the second, as HTTP says it.
pub(super) async fn server(client: &Client) -> Result<(Version, Option<Timestamp>), Error> {
    let what = "the version of the API server";
    let unreadable = |why: String| Error::Request { what: what.to_owned(), why };
    let request = Request::get("/version").body(Body::empty());
    let request = request.map_err(|error| unreadable(error.to_string()))?;
    let answer = client.send(request).await.map_err(|error| refused(what, &error))?;
    let date = answer.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let body = answer.into_body().collect_bytes().await;
    let body = body.map_err(|error| refused(what, &error))?;
    let value: Value =
        serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))?;
    // Managed clusters write "28+".
    let number = |field: &str| {
        let digits: String = value[field]
            .as_str()
            .unwrap_or_default()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse().unwrap_or(0)
    };
    let text = value["gitVersion"].as_str().unwrap_or("unknown").to_owned();
    Ok((
        Version { major: number("major"), minor: number("minor"), text },
        date.map(|date| date.timestamp()),
    ))
}

/// Asks for each right whether the controller's account has it, in a namespace or in all: without the right to ask, nothing is
/// known of any.
pub(super) async fn granted(
    client: &Client,
    home: &str,
    namespace: Option<&str>,
) -> Result<Vec<Right>, Error> {
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    let mut rights = Vec::new();
    let mut may_ask = true;
    for (role, rule) in rights::wanted() {
        let mut granted = None;
        if may_ask {
            let answer = reviews
                .create(
                    &PostParams::default(),
                    &review(home, namespace.filter(|_| role != CLUSTER), &rule),
                )
                .await;
            let missing = "create subjectaccessreviews.authorization.k8s.io";
            match answered("the rights of Dislodge's account", missing, answer)? {
                Read::There(review) => granted = review.status.map(|status| status.allowed),
                Read::Absent | Read::Forbidden(_) => may_ask = false,
            }
        }
        rights.push(Right { role, rule, granted });
    }
    Ok(rights)
}

fn review(home: &str, namespace: Option<&str>, rule: &PolicyRule) -> SubjectAccessReview {
    let first = |list: &Option<Vec<String>>| list.as_ref().and_then(|list| list.first()).cloned();
    let resource = first(&rule.resources).unwrap_or_default();
    let (resource, sub) = match resource.split_once('/') {
        Some((resource, sub)) => (resource.to_owned(), Some(sub.to_owned())),
        None => (resource, None),
    };
    SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(format!("system:serviceaccount:{home}:dislodge")),
            groups: Some(vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{home}"),
                "system:authenticated".to_owned(),
            ]),
            resource_attributes: Some(ResourceAttributes {
                group: first(&rule.api_groups),
                resource: Some(resource),
                subresource: sub,
                verb: rule.verbs.first().cloned(),
                namespace: namespace.map(str::to_owned),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    }
}
