//! With what credential does a call go, and what does it take to get one?
//!
//! Texts of the declaration become what an account asks for, a call goes with the account's token, and again with
//! another when the system says that it has ended.

use std::sync::Arc;

use flow_model::{
    expr::{Ambient, Expr},
    failure::{ErrorKind, Failure},
    plan::{Connection, Plan},
    schema::{Auth, Call, Connector, Grant, OAuth, OperationCall, Request, Session},
    ty::Type,
    units::Millis,
    value::Value,
};
use indexmap::IndexMap;
use serde_json::Value as Json;
use url::Url;

use super::{
    Attempt, Connectors, Invocation, Parked, Performer as _, Reached,
    account::{
        Asked, Claim, Connecting, Granted, Login, Means, Server, Source, Standing, Token, Trouble, code, device,
    },
    answer::Reader,
    identity,
    perform::{Ended, Found, invalid, never},
    request::{self, Proof},
    template::Scope,
    turn::{self, TooLate},
    vault::Vault,
    wait,
};
use crate::{
    eval::{Evaluator, Frame},
    secret::SecretText,
};

/// Says whether a call that was sent so often goes again when the last token was refused. The first may have ended since it was
/// given out. The second may be one that another process had stored, and have ended as well; one that this process was given
/// is new, and so is the third.
pub(super) fn goes_again(sent: u32, token: &Token) -> bool {
    sent == 1 || (sent == 2 && !token.is_ours)
}

/// How long a check of a credential may take.
const TEST: Millis = Millis::seconds(30);

impl Connectors {
    /// Carries out a call over HTTP, with the credential that its connection has.
    pub(super) async fn http(
        &self,
        invocation: &Invocation,
        found: Found<'_>,
        request: &Request,
        config: IndexMap<String, Value>,
        vault: &Vault<'_>,
    ) -> Ended {
        let lent = match self.given_out(invocation, found, &config, vault) {
            Ok(true) => self.lent.as_ref(),
            Ok(false) => return self.sent(invocation, found, request, config, vault, None).await,
            Err(failure) => return never(failure).into(),
        };
        if lent.is_some() {
            return self.sent(invocation, found, request, config, vault, lent).await;
        }
        let holder = match self.holder(found.connector, &invocation.connection, &config, vault) {
            Ok(holder) => holder,
            Err(failure) => return never(failure).into(),
        };
        let account = match self.account(invocation, found) {
            Ok(account) => account,
            Err(failure) => return never(failure).into(),
        };
        let (limits, until) = (turn::limits(found), self.clock.now().after(invocation.timeout));
        let cost = self.cost(invocation, found, &invocation.args);
        let mut refused: Option<SecretText> = None;
        let mut sent = 0;
        loop {
            let (token, asked) = self.token(invocation, found, &holder, &config, vault, refused.as_ref()).await;
            let token = match token {
                Ok(token) => token,
                Err(trouble) => {
                    let attempt = trouble.attempt();
                    // The other calls of the connection need the token, too.
                    let pause = attempt.retry_after.map(|wait| wait.min(wait::LONGEST_WAIT));
                    return Ended { pause, ..attempt.into() };
                }
            };
            vault.add(&format!("{}/token", invocation.connection), &token.text);
            self.gates.has_left(&account, &limits, asked, self.clock.now());
            // One request was admitted: those for tokens, and the one that was refused, have taken its place.
            let more = std::iter::repeat_n(1, asked as usize).chain(refused.is_some().then_some(cost));
            for cost in more {
                if let Err(TooLate { left, because }) = self.turn(invocation, &account, &limits, cost, until).await {
                    let message = format!(
                        "a new token was asked for, and {because}: the call may leave in {left}, and has to end within {}",
                        invocation.timeout
                    );
                    let failure = Failure::new(ErrorKind::RateLimited, message);
                    return Attempt { retry_after: Some(left), ..never(failure) }.into();
                }
            }
            let ended = self.sent(invocation, found, request, config.clone(), vault, Some(&token)).await;
            let expired = matches!(&ended.attempt.outcome, Err(failure) if failure.kind == ErrorKind::Unauthorized);
            sent += 1;
            // The server has done nothing.
            if !expired || ended.attempt.reached != Reached::Answered || !goes_again(sent, &token) {
                return ended;
            }
            refused = Some(token.text);
        }
    }

    /// What a person has to do before a call has a credential.
    pub(super) async fn parked(&self, invocation: &Invocation, found: Found<'_>) -> Option<Parked> {
        let vault = Vault::new(&*self.secrets);
        let config = self.config(&invocation.plan, &invocation.connection, found.connection, found.connector).ok()?;
        if !self.given_out(invocation, found, &config, &vault).ok()? {
            return None;
        }
        let holder = self.holder(found.connector, &invocation.connection, &config, &vault).ok()?;
        match self.token(invocation, found, &holder, &config, &vault, None).await.0 {
            Err(Trouble::Parked(parked)) => Some(parked),
            // What else is wrong is said where the call is made.
            Ok(_) | Err(Trouble::Failed(..)) => None,
        }
    }

    /// Whether the credential of a call is given out by a server.
    pub(super) fn given_out(
        &self,
        invocation: &Invocation,
        found: Found<'_>,
        config: &IndexMap<String, Value>,
        vault: &Vault<'_>,
    ) -> Result<bool, Failure> {
        let Some(http) = &found.connector.http else { return Ok(false) };
        match &http.auth {
            auth if auth.logs_in_with(&invocation.operation) => Ok(false),
            auth @ Auth::First(_) if auth.is_given_out() => {
                let scope = self.scope(&invocation.plan, found.connector, &[], config, vault)?;
                request::chosen(&scope, auth).map(Auth::is_given_out)
            }
            auth => Ok(auth.is_given_out()),
        }
    }

    /// The token of a connection, and how many requests were made for it.
    pub(super) async fn token(
        &self,
        invocation: &Invocation,
        found: Found<'_>,
        holder: &str,
        config: &IndexMap<String, Value>,
        vault: &Vault<'_>,
        refused: Option<&SecretText>,
    ) -> (Result<Token, Trouble>, u32) {
        if let Some(token) = self.accounts.fresh(holder, refused, self.clock.now()) {
            return (Ok(token), 0);
        }
        let asked = match self.asked(&invocation.plan, &invocation.connection, found.connector, config, vault) {
            Ok(asked) => asked,
            Err(failure) => return (Err(Trouble::Failed(failure.into(), None)), 0),
        };
        self.accounts.token(holder, &asked, refused, &self.clients, &self.clock).await
    }

    /// What a connection asks for.
    fn asked(
        &self,
        plan: &Arc<Plan>,
        connection: &str,
        connector: &Connector,
        config: &IndexMap<String, Value>,
        vault: &Vault<'_>,
    ) -> Result<Asked, Failure> {
        let http = connector.http.as_ref().ok_or_else(|| invalid("it has no section `http`".to_owned()))?;
        let scope = self.scope(plan, connector, &[], config, vault)?;
        let source = match request::chosen(&scope, &http.auth)? {
            Auth::OAuth(oauth) => Source::OAuth(Box::new(server(&scope, oauth, &http.hosts)?)),
            Auth::Session(session) => {
                Source::Login(Box::new(self.login(plan, connection, connector, session, config, vault)?))
            }
            _ => return Err(invalid(format!("the credential of `{connection}` is given out by nobody"))),
        };
        let origin = request::base(&scope, http, None)?.origin().ascii_serialization();
        let (connection, kept_as) = (connection.to_owned(), identity::name(connector, connection));
        Ok(Asked { connection, kept_as, origin, source })
    }

    /// The request that logs in, and how its answer is read.
    fn login(
        &self,
        plan: &Arc<Plan>,
        connection: &str,
        connector: &Connector,
        session: &Session,
        config: &IndexMap<String, Value>,
        vault: &Vault<'_>,
    ) -> Result<Login, Failure> {
        let OperationCall { operation: name, args } = &session.login;
        let found = connector.operations.get(name).zip(connector.http.as_ref());
        let (operation, http) = found.ok_or_else(|| invalid(format!("there is no operation `{name}` to log in")))?;
        let Call::Http(request) = &operation.call else {
            return Err(invalid(format!("`{name}` is no request, so it can't log in")));
        };
        let args = {
            let scope = self.scope(plan, connector, &[], config, vault)?;
            args.iter().map(|arg| scope.value(arg)).collect::<Result<Vec<_>, _>>()?
        };
        let scope = self.scope(plan, connector, &args, config, vault)?;
        let proof = Proof { auth: &Auth::None, token: None, now: self.clock.now() };
        let request_made = request::prepare(&scope, http, operation, request, None, "", proof)?;
        let redactor = vault.redactor();
        // What reads the answer lives on when the call that wanted the token is gone.
        let (library, env, plan) = (self.library.clone(), Arc::clone(&self.env), Arc::clone(plan));
        let (request, operation, connector) = (request.clone(), operation.clone(), connector.clone());
        let (config, token, what) = (config.clone(), session.token.clone(), format!("`{connection}`"));
        let clock = Arc::clone(&self.clock);
        let read = move |answer: &super::answer::Answer| {
            let config = Value::Record(config.clone());
            let reader = Reader {
                library: &library,
                env: &*env,
                plan: &plan,
                connector: &connector,
                config,
                args: Frame::of(args.iter().cloned()),
            };
            let result = reader.judge(&operation, &request, answer).0.map_err(|failure| {
                let declared = reader.declared(answer, request.format);
                (failure.into(), wait::asked(answer.status, &answer.headers, &declared, clock.now()))
            })?;
            let ambient = |which: Ambient| (which == Ambient::Item).then(|| result.clone());
            let evaluator = Evaluator {
                library: &library,
                functions: &plan.functions,
                types: &connector.types,
                env: &*env,
                ambient: &ambient,
            };
            match evaluator.eval(&token, &mut Frame::new()).map_err(|failure| (failure.into(), None))? {
                Value::Null => {
                    let message = format!("the login of {what} gives no token");
                    Err((Failure::new(ErrorKind::Unauthorized, message).into(), None))
                }
                token => Ok(token.to_string()),
            }
        };
        Ok(Login { request: request_made, redactor, read: Arc::new(read), lasts: session.lasts })
    }

    /// How a connection of a plan is connected. `redirect` is where the browser comes back to; `scopes` are asked for besides
    /// those that the connector names.
    ///
    /// # Errors
    /// A setting or a secret is missing, or a server that gives out codes does not.
    pub async fn connecting(
        &self,
        plan: &Arc<Plan>,
        connection: &str,
        redirect: Url,
        scopes: &[String],
    ) -> Result<Connecting<'_>, Failure> {
        let vault = Vault::new(&*self.secrets);
        let (config, connector) = self.configured(plan, connection)?;
        let Some(http) = &connector.http else { return Ok(Connecting::Alone) };
        let scope = self.scope(plan, connector, &[], &config, &vault)?;
        let Auth::OAuth(oauth) = request::chosen(&scope, &http.auth)? else { return Ok(Connecting::Alone) };
        if !oauth.grant.asks_a_person() {
            return Ok(Connecting::Alone);
        }
        let mut asked = self.asked(plan, connection, connector, &config, &vault)?;
        if let Source::OAuth(server) = &mut asked.source {
            let further = scopes.iter().filter(|scope| !oauth.scopes.contains(scope));
            server.scopes.extend(further.cloned());
        }
        let url = |expr: &Expr| self.scope(plan, connector, &[], &config, &vault)?.base(expr);
        let holder = self.holder(connector, connection, &config, &vault)?;
        let means = Means { accounts: &self.accounts, clients: &self.clients, clock: &self.clock, holder, asked };
        match &oauth.grant {
            Grant::AuthorizationCode { authorize, params, more_params, pkce } => {
                let scope = self.scope(plan, connector, &[], &config, &vault)?;
                let params = self::params(&scope, params, more_params)?;
                code(means, url(authorize)?, &params, *pkce, redirect).map(Connecting::Code)
            }
            Grant::DeviceCode { device: at } => {
                let url = url(at)?;
                device(means, &url).await.map(Connecting::Device)
            }
            Grant::ClientCredentials | Grant::JwtBearer(_) => Ok(Connecting::Alone),
        }
    }

    /// How things stand with the credential of a connection.
    ///
    /// # Errors
    /// A setting or a secret is missing, or what is kept can't be read.
    pub fn standing(&self, plan: &Arc<Plan>, connection: &str) -> Result<Standing, Failure> {
        let (_, connector) = declared(plan, connection)?;
        let Some(http) = &connector.http else { return Ok(Standing::Configured("native")) };
        let auth = if matches!(http.auth, Auth::First(_)) {
            let vault = Vault::new(&*self.secrets);
            let (config, connector) = self.configured(plan, connection)?;
            request::chosen(&self.scope(plan, connector, &[], &config, &vault)?, &http.auth)?
        } else {
            &http.auth
        };
        let grant = match auth {
            Auth::First(_) | Auth::None => return Ok(Standing::Configured("none")),
            Auth::Bearer(_) => return Ok(Standing::Configured("bearer")),
            Auth::Basic(..) => return Ok(Standing::Configured("basic")),
            Auth::Header(..) => return Ok(Standing::Configured("header")),
            Auth::Query(..) => return Ok(Standing::Configured("query")),
            Auth::Field(..) | Auth::Within(..) => return Ok(Standing::Configured("field")),
            Auth::Session(_) => return Ok(Standing::Configured("session")),
            Auth::OAuth1(_) => return Ok(Standing::Configured("oauth1")),
            Auth::SigV4(_) => return Ok(Standing::Configured("sigv4")),
            Auth::Signed(_) => return Ok(Standing::Configured("signed")),
            Auth::OAuth(oauth) => &oauth.grant,
        };
        match grant {
            Grant::ClientCredentials => return Ok(Standing::Configured("client_credentials")),
            Grant::JwtBearer(_) => return Ok(Standing::Configured("jwt_bearer")),
            Grant::AuthorizationCode { .. } | Grant::DeviceCode { .. } => {}
        }
        let vault = Vault::new(&*self.secrets);
        let (config, connector) = self.configured(plan, connection)?;
        let asked = self.asked(plan, connection, connector, &config, &vault)?;
        let holder = self.holder(connector, connection, &config, &vault)?;
        Means { accounts: &self.accounts, clients: &self.clients, clock: &self.clock, holder, asked }.standing()
    }

    /// Calls the operation that shows whether the credential of a connection works; none when its connector names none.
    ///
    /// # Errors
    /// It does not work, or can't be tried.
    pub async fn test(&self, plan: &Arc<Plan>, connection: &str) -> Option<Result<(), Failure>> {
        let connector = match declared(plan, connection) {
            Ok((_, connector)) => connector,
            Err(failure) => return Some(Err(failure)),
        };
        let probe = connector.http.as_ref().and_then(|http| http.probe.clone())?;
        let nothing = |_: Ambient| None;
        let evaluator = Evaluator {
            library: &self.library,
            functions: &plan.functions,
            types: &connector.types,
            env: &*self.env,
            ambient: &nothing,
        };
        let params = connector.operations.get(&probe).into_iter().flat_map(|operation| operation.params.values());
        let args = params.map(|field| match &field.default {
            Some(default) => evaluator.eval(default, &mut Frame::new()),
            None => Ok(Value::Null),
        });
        let args = match args.collect::<Result<Vec<_>, _>>() {
            Ok(args) => args,
            Err(failure) => return Some(Err(failure)),
        };
        let invocation = Invocation {
            plan: Arc::clone(plan),
            connection: connection.to_owned(),
            operation: probe,
            result: None::<Type>,
            page: None,
            args,
            nulls: Vec::new(),
            key: String::new(),
            timeout: TEST,
            traceparent: None,
            admitted: None,
        };
        Some(self.perform(invocation).await.outcome.map(drop))
    }

    pub(super) fn configured<'p>(
        &self,
        plan: &'p Plan,
        name: &str,
    ) -> Result<(IndexMap<String, Value>, &'p Connector), Failure> {
        let (connection, connector) = declared(plan, name)?;
        Ok((self.config(plan, name, connection, connector)?, connector))
    }
}

fn declared<'p>(plan: &'p Plan, name: &str) -> Result<(&'p Connection, &'p Connector), Failure> {
    let connection = plan.connections.get(name).ok_or_else(|| invalid(format!("there is no connection `{name}`")))?;
    let connector = plan.connectors.get(&connection.connector);
    let connector = connector.ok_or_else(|| invalid(format!("there is no connector `{}`", connection.connector)))?;
    Ok((connection, connector))
}

/// A server that gives out tokens, as the connection describes it.
fn server(scope: &Scope<'_>, oauth: &OAuth, hosts: &[String]) -> Result<Server, Failure> {
    let text = |expr: &Expr| scope.text(expr).map(Option::unwrap_or_default);
    // An empty text is one that is not set.
    let optional = |expr: &Option<Expr>| {
        let text = expr.as_ref().map(text).transpose()?;
        Ok::<_, Failure>(text.filter(|text| !text.is_empty()))
    };
    let url = scope.base(&oauth.token)?;
    let refresh = oauth.refresh.as_ref().map_or_else(|| Ok(url.clone()), |refresh| scope.base(refresh))?;
    let granted = match &oauth.grant {
        Grant::ClientCredentials => Granted::Client,
        Grant::AuthorizationCode { .. } | Grant::DeviceCode { .. } => Granted::Person,
        Grant::JwtBearer(claim) => {
            let claims = claim.claims.iter().map(|(name, value)| Ok((name.clone(), scope.value(value)?.to_json())));
            Granted::Signed(Box::new(Claim {
                key: SecretText::new(text(&claim.key)?),
                algorithm: claim.algorithm,
                key_id: optional(&claim.key_id)?,
                issuer: optional(&claim.issuer)?,
                subject: optional(&claim.subject)?,
                audience: optional(&claim.audience)?.unwrap_or_else(|| url.to_string()),
                claims: claims.collect::<Result<Vec<(String, Json)>, Failure>>()?,
                lasts: claim.lasts,
            }))
        }
    };
    Ok(Server {
        granted,
        url,
        refresh,
        id: optional(&oauth.id)?,
        secret: optional(&oauth.secret)?.map(SecretText::new),
        send: oauth.send,
        scopes: oauth.scopes.clone(),
        separator: oauth.separator.clone(),
        params: params(scope, &oauth.params, &oauth.more_params)?,
        answer: oauth.answer.clone(),
        hosts: hosts.to_vec(),
        redactor: scope.vault.redactor(),
    })
}

/// Parameters: those that are fixed, and those that settings say.
fn params(
    scope: &Scope<'_>,
    fixed: &[(String, String)],
    more: &[(String, Expr)],
) -> Result<Vec<(String, String)>, Failure> {
    let mut params = fixed.to_vec();
    for (name, value) in more {
        params.extend(scope.text(value)?.map(|text| (name.clone(), text)));
    }
    Ok(params)
}
