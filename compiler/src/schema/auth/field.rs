//! Where does a credential go that is a field of the body?
//!
//! In: the operations of a connector with `auth: field(…)`, or whose tokens go into the body. Out: problems: operations whose request has no such place.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    schema::{Auth, Body, Call, Http, Into, Operation, Request},
};

use super::super::place;
use crate::ast::{self, PropertyValue};

/// Reports operations that can't carry the credential.
pub(in super::super) fn has_a_place(
    ast: &ast::Connector,
    http: &Http,
    operations: &BTreeMap<String, Operation>,
    problems: &mut Vec<Diagnostic>,
) {
    let places: Vec<Into> = match &http.auth {
        Auth::First(forms) => forms.iter().filter_map(place).collect(),
        auth => place(auth).into_iter().collect(),
    };
    if places.is_empty() {
        return;
    }
    // It is called without a credential.
    let login = match &http.auth {
        Auth::Session(session) => Some(&session.login.operation),
        _ => None,
    };
    let properties = ast.http.iter().flat_map(|(_, properties)| properties);
    let declared =
        properties.filter(|property| property.name.text == "auth").find_map(|property| match &property.value {
            PropertyValue::Expr(auth) => Some(auth.span),
            _ => None,
        });
    for written in &ast.operations {
        let name = written.name.text();
        let Some(Call::Http(request)) = operations.get(&name).map(|operation| &operation.call) else { continue };
        if login == Some(&name) {
            continue;
        }
        let Some(why) = places.iter().find_map(|place| lacks_a_place(request, place)) else { continue };
        let property = written.properties.iter().find(|property| property.name.text == "request");
        let span = property.map_or(written.name.span(), |property| property.name.span);
        let message = format!("the request of `{name}` has no place for the credential");
        let help =
            "send it as `body` or `form`, if the system takes that; else the credential is a `header` or a `query`";
        let problem = Diagnostic::new(Code::E0508, message, span, why).help(help);
        problems.push(match declared {
            Some(auth) => problem.label(auth, "a field of each body"),
            None => problem,
        });
    }
}

/// The part of the body that a credential goes into.
fn place(auth: &Auth) -> Option<Into> {
    let into = match auth {
        Auth::Field(name, _) => Some(Into::Body(name.clone())),
        Auth::Within(path, _) => Some(Into::Within(path.clone())),
        Auth::OAuth(oauth) => oauth.carry.into.clone(),
        Auth::Session(session) => session.carry.into.clone(),
        _ => None,
    };
    into.filter(|into| !matches!(into, Into::Query(_)))
}

/// Why the credential can't be put into the body.
fn lacks_a_place(request: &Request, place: &Into) -> Option<String> {
    match &request.body {
        // One that a system gave out may lead elsewhere, where no credential goes.
        _ if request.whole_url => None,
        Body::Json(_) | Body::Form(_) => None,
        Body::None if matches!(request.method.as_str(), "GET" | "HEAD") => {
            Some(format!("a `{}` has no body", request.method))
        }
        Body::None => None,
        Body::Raw(..) => Some("the body is `raw`, and has no fields".to_owned()),
        Body::Multipart(_) if matches!(place, Into::Body(_)) => None,
        Body::Multipart(_) => Some("the parts of `multipart` have no fields".to_owned()),
        body @ (Body::Xml(_) | Body::GraphQl { .. }) => place::unfit(place, body).map(|(why, ..)| why.to_owned()),
    }
}
