//! Where does a credential go that is a field of the body?
//!
//! In: the operations of a connector with `auth: field(…)`. Out: problems: operations whose request has no such place.

use std::collections::BTreeMap;

use flow_model::{
    diagnostic::{Code, Diagnostic},
    schema::{Auth, Body, Call, Http, Operation, Request},
};

use crate::ast::{self, PropertyValue};

/// Reports operations that can't carry the credential.
pub(in super::super) fn has_a_place(
    ast: &ast::Connector,
    http: &Http,
    operations: &BTreeMap<String, Operation>,
    problems: &mut Vec<Diagnostic>,
) {
    let is_field = |auth: &Auth| matches!(auth, Auth::Field(..));
    let is_carried = match &http.auth {
        Auth::First(forms) => forms.iter().any(is_field),
        auth => is_field(auth),
    };
    if !is_carried {
        return;
    }
    let properties = ast.http.iter().flat_map(|(_, properties)| properties);
    let declared =
        properties.filter(|property| property.name.text == "auth").find_map(|property| match &property.value {
            PropertyValue::Expr(auth) => Some(auth.span),
            _ => None,
        });
    for written in &ast.operations {
        let name = written.name.text();
        let Some(Call::Http(request)) = operations.get(&name).map(|operation| &operation.call) else { continue };
        let Some(why) = lacks_a_place(request) else { continue };
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

/// Why a field can't be put into the body.
fn lacks_a_place(request: &Request) -> Option<String> {
    match &request.body {
        // One that a system gave out may lead elsewhere, where no credential goes.
        _ if request.whole_url => None,
        Body::Json(_) | Body::Form(_) => None,
        Body::None if matches!(request.method.as_str(), "GET" | "HEAD") => {
            Some(format!("a `{}` has no body", request.method))
        }
        Body::None => None,
        Body::Raw(..) => Some("the body is `raw`, and has no fields".to_owned()),
        Body::Multipart(_) => Some("the body is `multipart`".to_owned()),
        Body::Xml(_) => Some("the body is XML".to_owned()),
        Body::GraphQl { .. } => Some("the body is a GraphQL query".to_owned()),
    }
}
