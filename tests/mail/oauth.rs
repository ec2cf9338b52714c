//! `mail` and `imap` where servers want a token: what is said to them, and when another one is asked for.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, response::IntoResponse as _, routing::post};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flow_model::{
    expr::Expr,
    failure::ErrorKind,
    schema::{Auth, Connector},
    value::Value,
};
use flow_runtime::connector::Attempt;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpListener,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::databases::world::World;

/// What was said to a server that is no server of mail: the proofs, decoded.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) proofs: Mutex<Vec<String>>,
    tokens: AtomicUsize,
}

pub(crate) type Lines = tokio::io::Lines<BufReader<OwnedReadHalf>>;

/// Listens for connections, each of which goes on as `talk` says; gives the port.
pub(crate) async fn server<F>(heard: &Arc<Heard>, talk: fn(Arc<Heard>, Lines, OwnedWriteHalf) -> F) -> u16
where
    F: Future<Output = Option<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::clone(heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (reader, writer) = stream.into_split();
            tokio::spawn(talk(Arc::clone(&heard), BufReader::new(reader).lines(), writer));
        }
    });
    port
}

/// Gives out `token-1`, `token-2`, …
async fn tokens(heard: &Arc<Heard>) -> String {
    let heard = Arc::clone(heard);
    let give = async move |body: String| {
        assert!(body.contains("grant_type=client_credentials"), "{body}");
        assert!(body.contains("client_id=app") && body.contains("client_secret=sw0rdf1sh"), "{body}");
        assert!(body.contains("scope=https%3A%2F%2Foutlook.office365.com%2F.default"), "{body}");
        let number = heard.tokens.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = format!("{{\"access_token\":\"token-{number}\",\"expires_in\":3600}}");
        ([("content-type", "application/json")], answer).into_response()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let router = Router::new().route("/token", post(give));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

impl Heard {
    /// Notes a proof, and says whether it is taken: all but the first token are.
    fn takes(&self, proof: &str) -> bool {
        let proof = String::from_utf8(STANDARD.decode(proof).unwrap()).unwrap();
        let is_taken = !proof.contains("Bearer token-1\x01") && !proof.contains("nobody@");
        self.proofs.lock().unwrap().push(proof);
        is_taken
    }
}

/// The token of the application comes from this server, and not from Microsoft's.
fn elsewhere(url: &str) -> impl Fn(&mut Connector) + Send + Sync + use<> {
    let url = url.to_owned();
    move |connector| {
        let Some(Auth::First(forms)) = connector.http.as_mut().map(|http| &mut http.auth) else { panic!("no forms") };
        for form in forms {
            if let Auth::OAuth(oauth) = form {
                oauth.token = Expr::Literal(Value::text(url.as_str()));
            }
        }
    }
}

fn settings(port: u16, more: &str) -> String {
    format!(
        "host: \"127.0.0.1\", port: {port}, tls: \"off\", user: \"shop@example.com\", password: null, \
         microsoft_app: \"app\", microsoft_secret: secret(\"db/url\"){more}"
    )
}

/// Microsoft's way: the refusal is told in a challenge of its own.
async fn smtp(heard: Arc<Heard>, mut lines: Lines, mut writer: OwnedWriteHalf) -> Option<()> {
    writer.write_all(b"220 mail.example.com\r\n").await.ok()?;
    let mut says = async |text: &str| writer.write_all(text.as_bytes()).await.ok();
    loop {
        let line = lines.next_line().await.ok()??;
        let proof = line.strip_prefix("AUTH XOAUTH2 ").or(line.strip_prefix("AUTH OAUTHBEARER "));
        match (line.split(' ').next()?, proof) {
            ("EHLO", _) if heard.tokens.load(Ordering::SeqCst) > 100 => {
                says("250-mail.example.com\r\n250 AUTH PLAIN OAUTHBEARER\r\n").await?;
            }
            ("EHLO", _) => says("250-mail.example.com\r\n250 AUTH LOGIN XOAUTH2\r\n").await?,
            (_, Some(proof)) if heard.takes(proof) => says("235 2.7.0 Accepted\r\n").await?,
            (_, Some(_)) => {
                says("334 eyJzdGF0dXMiOiI0MDEifQ==\r\n").await?;
                let end = lines.next_line().await.ok()??;
                heard.proofs.lock().unwrap().push(format!("end {end:?}"));
                says("535 5.7.3 Authentication unsuccessful\r\n").await?;
            }
            ("MAIL" | "RCPT", _) => says("250 ok\r\n").await?,
            ("DATA", _) => {
                says("354 go on\r\n").await?;
                while lines.next_line().await.ok()?? != "." {}
                says("250 taken\r\n").await?;
            }
            _ => says("221 bye\r\n").await?,
        }
    }
}

async fn sent(world: &World) -> Attempt {
    let none = || Value::List(vec![]);
    let to = Value::List(vec![Value::text("jenny@example.com")]);
    let (subject, text) = (Value::text("s"), Value::text("t"));
    let args = vec![to, subject, text, Value::Null, none(), none(), none(), Value::Null, Value::Null];
    world.invoke("send(to: [], subject: \"s\", text: \"t\")", args).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_goes_out_with_a_token_and_with_another_when_that_has_ended() {
    let heard = Arc::<Heard>::default();
    let (url, port) = (tokens(&heard).await, server(&heard, smtp).await);
    let settings = settings(port, ", from: \"shop@example.com\"");
    let world = World::new("mail", "sw0rdf1sh", &settings).declaring(elsewhere(&url));
    assert_eq!(sent(&world).await.outcome.map(drop), Ok(()));
    let proof = |token: &str| format!("user=shop@example.com\x01auth=Bearer {token}\x01\x01");
    let said = vec![proof("token-1"), "end \"\"".to_owned(), proof("token-2")];
    assert_eq!(*heard.proofs.lock().unwrap(), said, "nothing of the message was said before");
    // The token is used again, by all calls at once.
    let all = futures::future::join_all((0..10).map(|_| sent(&world))).await;
    assert!(all.iter().all(|attempt| attempt.outcome.is_ok()), "{all:?}");
    assert_eq!(heard.tokens.load(Ordering::SeqCst), 2);

    // A server that knows the standard's way alone, which ends a refusal with a byte.
    heard.tokens.store(200, Ordering::SeqCst);
    heard.proofs.lock().unwrap().clear();
    assert_eq!(sent(&world).await.outcome.map(drop), Ok(()));
    let standard = "n,a=shop@example.com,\x01host=127.0.0.1\x01auth=Bearer token-2\x01\x01";
    assert_eq!(*heard.proofs.lock().unwrap(), [standard]);
}

/// As much of IMAP as reading an empty folder takes.
pub(crate) async fn imap(heard: Arc<Heard>, mut lines: Lines, mut writer: OwnedWriteHalf) -> Option<()> {
    writer.write_all(b"* OK IMAP4rev1\r\n").await.ok()?;
    let mut says = async |text: String| writer.write_all(text.as_bytes()).await.ok();
    loop {
        let line = lines.next_line().await.ok()??;
        let (tag, command) = line.split_once(' ')?;
        match command.split(' ').next()? {
            "AUTHENTICATE" => {
                assert_eq!(command, "AUTHENTICATE XOAUTH2");
                says("+ \r\n".to_owned()).await?;
                if heard.takes(&lines.next_line().await.ok()??) {
                    says(format!("{tag} OK\r\n")).await?;
                    continue;
                }
                says("+ eyJzdGF0dXMiOiI0MDEifQ==\r\n".to_owned()).await?;
                let end = lines.next_line().await.ok()??;
                heard.proofs.lock().unwrap().push(format!("end {end:?}"));
                says(format!("{tag} NO AUTHENTICATE failed.\r\n")).await?;
            }
            "EXAMINE" | "SELECT" => {
                says(format!("* 0 EXISTS\r\n* OK [UIDVALIDITY 7] valid\r\n{tag} OK [READ-ONLY] done\r\n")).await?;
            }
            "UID" => says(format!("* SEARCH\r\n{tag} OK done\r\n")).await?,
            "LOGOUT" => {
                says(format!("* BYE\r\n{tag} OK done\r\n")).await?;
                return Some(());
            }
            _ => says(format!("{tag} OK done\r\n")).await?,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_read_with_a_token_and_with_another_when_that_has_ended() {
    let heard = Arc::<Heard>::default();
    let (url, port) = (tokens(&heard).await, server(&heard, imap).await);
    let world = World::new("imap", "sw0rdf1sh", &settings(port, "")).declaring(elsewhere(&url));
    let listed = async || world.invoke("messages.list()", vec![Value::Null, Value::text("INBOX")]).await.outcome;
    assert_eq!(listed().await, Ok(Value::List(vec![])));
    let proof = |token: &str| format!("user=shop@example.com\x01auth=Bearer {token}\x01\x01");
    let said = vec![proof("token-1"), "end \"\"".to_owned(), proof("token-2")];
    assert_eq!(*heard.proofs.lock().unwrap(), said);
    assert_eq!(listed().await, Ok(Value::List(vec![])));
    assert_eq!(heard.tokens.load(Ordering::SeqCst), 2);

    // One that lets nobody in is asked twice, with two tokens, and neither is shown.
    let other = settings(port, "").replace("shop@", "nobody@");
    let refused = World::new("imap", "sw0rdf1sh", &other).declaring(elsewhere(&url));
    let failure = refused.invoke("messages.list()", vec![Value::Null, Value::text("INBOX")]).await.outcome.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unauthorized, "{failure}");
    assert!(failure.message.contains("`nobody@example.com`") && !failure.message.contains("token-"), "{failure}");
    assert_eq!(heard.tokens.load(Ordering::SeqCst), 4);
}
