//! The API server: from an HTTP request to an answer. Owns the shape of
//! requests and answers; it must never change the state but through `World`.

mod budget;
pub(super) mod delete;
mod discovery;
pub(super) mod evict;
pub(super) mod read;
pub(super) mod route;
mod update;
pub(super) mod write;

use super::Sandbox;
use super::kinds;
use super::status::Refusal;
use super::world::World;
use crate::core::model::Limits;
use crate::core::yaml;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use kube::client::Body;
use route::{Query, Route};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The embedded cluster's API server, as a service for `kube::Client::new`.
#[derive(Clone, Debug)]
pub struct SandboxService {
    sandbox: Sandbox,
}

impl SandboxService {
    pub(super) fn new(sandbox: Sandbox) -> Self {
        Self { sandbox }
    }
}

impl tower::Service<Request<Body>> for SandboxService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let sandbox = self.sandbox.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let bytes = match body.collect_bytes().await {
                Ok(bytes) => bytes.to_vec(),
                Err(error) => {
                    let refusal = Refusal::bad_request(format!("failed to read the body: {error}"));
                    return Ok(response(refusal.code, &refusal.status(), None, "application/json"));
                }
            };
            Ok(answer(&sandbox, &Call { parts, body: bytes }))
        })
    }
}

/// One request, read to its end.
pub(super) struct Call {
    parts: http::request::Parts,
    body: Vec<u8>,
}

impl Call {
    fn query(&self) -> Query {
        Query::parse(self.parts.uri.query().unwrap_or(""))
    }

    fn header(&self, name: header::HeaderName) -> &str {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The body as JSON or YAML.
    pub(super) fn object(&self) -> Result<Value, Refusal> {
        if let Ok(value) = serde_json::from_slice(&self.body) {
            return Ok(value);
        }
        let documents = yaml::parse("body", &self.body, &Limits::default())
            .map_err(|error| Refusal::bad_request(format!("error decoding the body: {error}")))?;
        match documents.as_slice() {
            [document] => Ok(document.root.to_value()),
            [] => Ok(Value::Null),
            other => {
                let count = other.len();
                Err(Refusal::bad_request(format!("the body holds {count} documents, not one")))
            }
        }
    }
}

/// A code and a JSON body.
pub(super) type Answer = Result<(u16, Value), Refusal>;

fn answer(sandbox: &Sandbox, call: &Call) -> Response<Body> {
    let accept = call.header(header::ACCEPT);
    let aggregated = accept.contains("as=APIGroupDiscoveryList");
    let done = sandbox.transact(|world| {
        let answer = dispatch(world, call, aggregated);
        (world.now(), answer)
    });
    let (now, answer) = match done {
        Ok((now, answer)) => (Some(now), answer),
        Err(error) => {
            let message = format!("the sandbox's journal: {error}");
            (None, Err(Refusal::new(500, "InternalError", message)))
        }
    };
    let kind = match (&answer, aggregated) {
        (Ok((_, body)), true) if body["kind"] == "APIGroupDiscoveryList" => {
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        }
        _ => "application/json",
    };
    match answer {
        Ok((code, body)) => response(code, &body, now, kind),
        Err(refusal) => response(refusal.code, &refusal.status(), now, kind),
    }
}

fn response(code: u16, body: &Value, now: Option<jiff::Timestamp>, kind: &str) -> Response<Body> {
    let mut out = Response::new(Body::from(body.to_string().into_bytes()));
    *out.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut add = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            out.headers_mut().insert(name, value);
        }
    };
    add(header::CONTENT_TYPE, kind);
    if let Some(now) = now {
        let date = now.to_zoned(jiff::tz::TimeZone::UTC);
        add(header::DATE, &date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
    }
    out
}

fn dispatch(world: &mut World, call: &Call, aggregated: bool) -> Answer {
    let method = &call.parts.method;
    let query = call.query();
    match (Route::of(call.parts.uri.path()), method) {
        (Route::Version, &Method::GET) => Ok((200, discovery::version())),
        (Route::Health, &Method::GET) => Ok((200, json!("ok"))),
        (Route::Core, &Method::GET) => Ok((200, discovery::core(aggregated))),
        (Route::Groups, &Method::GET) => Ok((200, discovery::groups(aggregated))),
        (Route::Group(group), &Method::GET) => discovery::group(&group),
        (Route::Resources(group, version), &Method::GET) => discovery::resources(&group, &version),
        (Route::Access, &Method::POST) => access(call),
        (Route::Collection(resource, namespace), &Method::GET) => {
            read::list(world, resource, namespace.as_deref(), &query)
        }
        (Route::Collection(resource, namespace), &Method::POST) => {
            write::create(world, resource, namespace.as_deref(), call.object()?, &query)
        }
        (Route::Object(resource, place, sub), &Method::GET) => match sub.as_deref() {
            None => read::get(world, resource, &place),
            Some("status") if resource.status => read::get(world, resource, &place),
            Some("scale") => update::scale(world, resource, &place),
            Some("log" | "eviction" | "exec") => Err(Refusal::not_modelled("that subresource")),
            Some(_) => Err(Refusal::unknown()),
        },
        (Route::Object(resource, place, sub), &(Method::PATCH | Method::PUT)) => {
            change(world, resource, &place, sub.as_deref(), call)
        }
        (Route::Object(resource, place, None), &Method::DELETE) => {
            let options = if call.body.is_empty() { Value::Null } else { call.object()? };
            delete::delete(world, resource, &place, &options, &query)
        }
        (Route::Object(resource, place, Some(sub)), &Method::POST) if sub == "eviction" => {
            evict::evict(world, resource, &place, &call.object()?, &query)
        }
        (Route::Object(_, _, Some(sub)), _) => {
            Err(Refusal::not_modelled(&format!("that of the subresource {sub}")))
        }
        (Route::Collection(..), &Method::DELETE) => {
            Err(Refusal::not_modelled("the deletion of whole collections"))
        }
        (Route::Unknown, _) => Err(Refusal::unknown()),
        _ => Err(Refusal::not_allowed()),
    }
}

/// A write of one object or of a part of it.
fn change(
    world: &mut World,
    resource: &kinds::Resource,
    place: &route::Place,
    sub: Option<&str>,
    call: &Call,
) -> Answer {
    use update::Part;
    let query = call.query();
    let media = call.header(header::CONTENT_TYPE);
    let media = media.split(';').next().unwrap_or("").trim();
    let part = match sub {
        None => Part::Whole,
        Some("status") if resource.status => Part::Status,
        Some("scale") if media != "application/apply-patch+yaml" => {
            return update::rescale(world, resource, place, &call.object()?, &query);
        }
        Some(other) => {
            return Err(Refusal::not_modelled(&format!("writes of the subresource {other}")));
        }
    };
    if call.parts.method == Method::PUT {
        return update::replace(world, resource, place, call.object()?, (part, &query));
    }
    match (media, part) {
        ("application/apply-patch+yaml" | "application/apply-patch+json", Part::Whole) => {
            write::apply(world, resource, place, call.object()?, &query).map(write::unshared)
        }
        ("application/merge-patch+json", _) => {
            update::patch(world, resource, place, &call.object()?, (part, &query))
        }
        (
            "application/apply-patch+yaml"
            | "application/strategic-merge-patch+json"
            | "application/json-patch+json",
            _,
        ) => Err(Refusal::not_modelled(&format!("patches of the type {media} here"))),
        _ => Err(Refusal::unsupported_media()),
    }
}

/// The sandbox has one user, who may do everything.
fn access(call: &Call) -> Answer {
    let mut review = call.object()?;
    super::fields::set(&mut review, &["status"], json!({"allowed": true}));
    Ok((201, review))
}
