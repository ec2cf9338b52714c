//! Credentials that a server gives out for a while (OAuth 2.0, RFC 6749).

use serde::{Deserialize, Serialize};

use crate::expr::Expr;

/// How a connection comes by the tokens that its requests carry as `Authorization: Bearer …`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OAuth {
    /// Who agrees to it.
    pub grant: Grant,
    /// The URL where tokens are given out: text that may use `config`.
    pub token: Expr,
    /// The id of the client.
    pub id: Expr,
    /// The secret of the client; absent for public clients.
    pub secret: Option<Expr>,
    /// How the client proves itself.
    #[serde(default)]
    pub send: SendClient,
    /// What is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// What stands between scopes: a space, as the standard has it, or a comma.
    pub separator: String,
    /// Further parameters of requests for tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<(String, String)>,
}

/// Who agrees that a connection gets tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Grant {
    /// `client_credentials`: nobody is asked (RFC 6749, section 4.4).
    ClientCredentials,
    /// `authorization_code`: a person, once, by `flowc connect` (RFC 6749, section 4.1, with PKCE, RFC 7636).
    AuthorizationCode {
        /// The URL where the person agrees.
        authorize: Expr,
        /// Further parameters of that URL.
        params: Vec<(String, String)>,
    },
}

/// How a client proves itself where tokens are given out (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SendClient {
    /// `basic`: in the header `Authorization`.
    #[default]
    Basic,
    /// `body`: as `client_id` and `client_secret` in the body.
    Body,
}

impl OAuth {
    /// Goes over its expressions.
    pub fn each_expr<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        visit(&self.token);
        visit(&self.id);
        self.secret.iter().for_each(&mut *visit);
        if let Grant::AuthorizationCode { authorize, .. } = &self.grant {
            visit(authorize);
        }
    }
}
