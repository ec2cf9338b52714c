//! Sends a request, follows redirects and reads the answer: within its time, into a bounded amount of memory, to where the
//! guard lets it.

use std::{error::Error as _, sync::OnceLock};

use flow_model::{
    failure::{ErrorKind, Failure},
    units::Millis,
};
use http::header::CONTENT_LENGTH;
use reqwest::{Client, ClientBuilder, Response, redirect, retry};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{
    Reached,
    answer::{Answer, AnswerBody},
    kept::keep,
    pace::{Coming, Leaving, PATIENCE, Stopped, slow, unread},
    redirect::{Stop, Trail, host},
    request::Prepared,
    turn::Hops,
};
use crate::{
    blob::Blobs,
    egress::{Guard, Refused},
    secret::Redactor,
};

/// How long it may take to reach a server.
const CONNECT: Millis = Millis::seconds(10);

/// How long an unused connection is kept: less than servers usually do, since one that the server closes while a request
/// is on its way loses that request.
const IDLE: Millis = Millis::seconds(15);

/// The clients, each made for its first request, since it reads the machine's certificates then. Neither follows redirects by
/// itself, reads proxies from the environment or repeats a request.
pub(super) struct Clients {
    /// Keeps connections open.
    kept: OnceLock<Client>,
    /// Opens a connection for each request: for what can't be repeated when a kept one turns out to be dead.
    fresh: OnceLock<Client>,
    longest: Longest,
    /// Decides about every connection.
    guard: Guard,
}

/// The longest answers that are taken, unpacked, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Longest {
    /// Of those that are read into memory.
    pub(super) answer: u64,
    /// Of those that are kept as files.
    pub(super) file: u64,
}

/// No answer came.
pub(super) struct Lost {
    /// `Timeout` or `Unavailable`, with the cause in words.
    pub(super) failure: Failure,
    /// Whether the request can have taken effect.
    pub(super) reached: Reached,
}

impl Lost {
    /// The same after redirects: what was asked for may have been done before the call was sent on.
    fn after(self, trail: &Trail) -> Self {
        let reached = if trail.acted() { Reached::Perhaps } else { self.reached };
        Self { reached, ..self }
    }
}

/// How long a call may take, redirects and answer together.
#[derive(Clone, Copy)]
struct Limit {
    deadline: Instant,
    timeout: Millis,
}

impl Limit {
    fn passed(self, host: &str) -> Failure {
        Failure::new(ErrorKind::Timeout, format!("`{host}` did not answer within {}", self.timeout))
    }
}

impl Clients {
    /// Clients that take answers up to so many bytes, and connect to where the guard lets them.
    pub(super) fn new(longest: Longest, guard: Guard) -> Self {
        Self { kept: OnceLock::new(), fresh: OnceLock::new(), longest, guard }
    }

    /// Sends a request and reads its answer. A request that is `repeatable` may use a connection that was open before. No
    /// redirect takes one of the `secrets` to another origin; where there are `hops`, each waits for its turn.
    pub(super) async fn send(
        &self,
        prepared: Prepared,
        repeatable: bool,
        timeout: Millis,
        secrets: &Redactor,
        files: Files<'_>,
        hops: Option<&Hops<'_>>,
    ) -> Result<Answer, Lost> {
        let (client, idle) = if repeatable { (&self.kept, usize::MAX) } else { (&self.fresh, 0) };
        let client = client.get_or_init(|| self::client(idle, &self.guard, PATIENCE));
        let limit = Limit { deadline: Instant::now() + timeout.duration(), timeout };
        let (mut request, mut trail) = (prepared, Trail::default());
        loop {
            let exchanged = self.exchange(client, &request, limit, files.blobs).await;
            let response = exchanged.map_err(|lost| lost.after(&trail))?;
            match trail.next(&request, response.status(), response.headers(), &self.guard, secrets) {
                Ok(Some(next)) => {
                    drop(response);
                    if let Some(hops) = hops
                        && let Err(failure) = hops.wait(&next).await
                    {
                        return Err(Lost { failure, reached: Reached::Answered }.after(&trail));
                    }
                    request = next;
                }
                Ok(None) => {
                    let answer = self.answer(response, &request.url, limit, files).await;
                    return answer.map(|answer| Answer { acted: trail.acted(), ..answer });
                }
                Err(stop) => return Err(stopped(&stop).after(&trail)),
            }
        }
    }

    /// Sends one request, and waits for the head of the answer.
    async fn exchange(
        &self,
        client: &Client,
        prepared: &Prepared,
        limit: Limit,
        blobs: &dyn Blobs,
    ) -> Result<Response, Lost> {
        let host = host(&prepared.url);
        if let Err(refused) = self.guard.url(&prepared.url) {
            return Err(denied(&refused));
        }
        let leaving = Leaving::default();
        let body = prepared.body.body(blobs, &leaving).await;
        let body = body.map_err(|failure| Lost { failure, reached: Reached::Never })?;
        let mut headers = prepared.headers.clone();
        if let Some(length) = prepared.body.length() {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        let request =
            client.request(prepared.method.clone(), prepared.url.clone()).headers(headers).body(body).build().map_err(
                |error| Lost {
                    failure: Failure::new(ErrorKind::Invalid, format!("the request can't be built: {}", cause(error))),
                    reached: Reached::Never,
                },
            )?;
        let executed = tokio::select! {
            biased;
            executed = timeout_at(limit.deadline, client.execute(request)) => executed,
            () = leaving.stalled() => return Err(Lost { failure: unread(&host), reached: Reached::Perhaps }),
        };
        match executed {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(lost(&host, error)),
            Err(_) => Err(Lost { failure: limit.passed(&host), reached: Reached::Perhaps }),
        }
    }

    async fn answer(&self, response: Response, url: &Url, limit: Limit, files: Files<'_>) -> Result<Answer, Lost> {
        let (status, headers) = (response.status(), response.headers().clone());
        let host = &host(url);
        if files.keeps && status.is_success() {
            let kept = timeout_at(limit.deadline, keep(response, url, host, files.blobs, self.longest.file)).await;
            let body = kept.unwrap_or_else(|_| Err(limit.passed(host)));
            let body = body.map_err(|failure| Lost { failure, reached: Reached::Perhaps })?;
            return Ok(Answer { status, headers, body, acted: false });
        }
        let body = match timeout_at(limit.deadline, self.read(response)).await {
            Ok(Ok(body)) => body,
            // The status of a refusal says enough; that of a success does not, for the result is lost.
            Ok(Err(_)) | Err(_) if !status.is_success() => AnswerBody::Broken,
            Ok(Err(Stopped::Broke(error))) => {
                let message = format!("the answer of `{host}` broke off: {}", cause(error));
                return Err(Lost { failure: Failure::new(ErrorKind::Unavailable, message), reached: Reached::Perhaps });
            }
            Ok(Err(Stopped::Slow)) => return Err(Lost { failure: slow(host), reached: Reached::Perhaps }),
            Err(_) => return Err(Lost { failure: limit.passed(host), reached: Reached::Perhaps }),
        };
        Ok(Answer { status, headers, body, acted: false })
    }

    /// Reads the body, decompressed, and stops where it gets too long.
    async fn read(&self, response: Response) -> Result<AnswerBody, Stopped> {
        let longest = self.longest.answer;
        let fits = |length: usize| u64::try_from(length).is_ok_and(|length| length <= longest);
        let mut coming = Coming::of_text(response);
        if coming.length().is_some_and(|length| length > longest) {
            return Ok(AnswerBody::TooLarge(longest));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = coming.next().await? {
            if !fits(bytes.len() + chunk.len()) {
                return Ok(AnswerBody::TooLarge(longest));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(AnswerBody::Whole(bytes))
    }
}

/// Where the bytes of files lie, and whether a success is kept there.
#[derive(Clone, Copy)]
pub(super) struct Files<'a> {
    pub(super) blobs: &'a dyn Blobs,
    pub(super) keeps: bool,
}

/// A client whose connections end when nothing that was sent is taken for so long.
fn client(idle_connections: usize, guard: &Guard, patience: Millis) -> Client {
    let settings = || {
        patient(ClientBuilder::new(), patience)
            .user_agent(concat!("flowc/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(retry::never())
            .no_proxy()
            .dns_resolver(guard.resolver())
            .connect_timeout(CONNECT.duration())
            .pool_idle_timeout(IDLE.duration())
            .pool_max_idle_per_host(idle_connections)
    };
    // On a machine without any certificate authority only `http` works; an `https` call says then what is missing.
    settings()
        .build()
        .or_else(|_| settings().tls_certs_only([]).build())
        .expect("a client without certificates needs nothing from the machine")
}

/// What lies in the buffers of the machine is out of sight: that it leaves is for the system to see to (RFC 5482).
#[cfg(any(target_os = "linux", target_os = "android"))]
fn patient(settings: ClientBuilder, patience: Millis) -> ClientBuilder {
    settings.tcp_user_timeout(patience.duration())
}

/// Other systems can't be told: what lies in their buffers waits for as long as the call may take.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn patient(settings: ClientBuilder, _: Millis) -> ClientBuilder {
    settings
}

/// A call to where none may go: trying it again is of no use.
fn denied(refused: &Refused) -> Lost {
    let message = format!("the call was not made: {refused}");
    Lost { failure: Failure::new(ErrorKind::Forbidden, message), reached: Reached::Never }
}

/// A redirect that is not followed: the server has answered, and would answer the same again.
fn stopped(stop: &Stop) -> Lost {
    let kind = match stop {
        Stop::Refused { .. } | Stop::Downgrade(_) | Stop::Secret { .. } => ErrorKind::Forbidden,
        Stop::Unreadable(_) | Stop::Moved { .. } | Stop::Circle(_) | Stop::TooMany => ErrorKind::Invalid,
    };
    Lost { failure: Failure::new(kind, stop.to_string()), reached: Reached::Answered }
}

fn lost(host: &str, error: reqwest::Error) -> Lost {
    if let Some(refused) = refusal(&error) {
        return denied(refused);
    }
    if error.is_connect() {
        let message = format!("`{host}` can't be reached: {}", cause(error));
        return Lost { failure: Failure::new(ErrorKind::Unavailable, message), reached: Reached::Never };
    }
    let message = format!("the connection to `{host}` was lost: {}", cause(error));
    Lost { failure: Failure::new(ErrorKind::Unavailable, message), reached: Reached::Perhaps }
}

/// The guard's refusal among the causes of an error: the resolver hands it on within an error of input and output.
fn refusal(error: &reqwest::Error) -> Option<&Refused> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(refused) = inner.downcast_ref::<Refused>() {
            return Some(refused);
        }
        let within = inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(refused) = within.and_then(|within| within.downcast_ref::<Refused>()) {
            return Some(refused);
        }
        source = inner.source();
    }
    None
}

/// The innermost cause in words: the outer ones say only that a request failed, and would show its URL.
pub(super) fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        words = inner.to_string();
        source = inner.source();
    }
    match words.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, time::Duration};

    use futures::stream;
    use http::{HeaderMap, Method};

    use super::{super::pace::PIECE, *};
    use crate::{blob::Memory, egress::Networks};

    /// What becomes of an answer of which so many pieces of that length come, one after each pause; and how long it took.
    async fn coming(
        status: u16,
        keeps: bool,
        count: u32,
        piece: usize,
        pause: Duration,
    ) -> (Result<u64, Failure>, Duration) {
        coming_as(status, keeps, vec![vec![b'.'; piece]; count as usize], pause).await
    }

    async fn coming_as(
        status: u16,
        keeps: bool,
        pieces: Vec<Vec<u8>>,
        pause: Duration,
    ) -> (Result<u64, Failure>, Duration) {
        let pieces = stream::unfold(pieces.into_iter(), move |mut pieces| async move {
            tokio::time::sleep(pause).await;
            Some((Ok::<_, Infallible>(pieces.next()?), pieces))
        });
        let response = http::Response::builder().status(status).body(reqwest::Body::wrap_stream(pieces)).unwrap();
        let longest = Longest { answer: 1 << 20, file: 1 << 30 };
        let clients = Clients::new(longest, Guard::new(Networks::default()));
        let timeout = Millis::seconds(6 * 3600);
        let limit = Limit { deadline: Instant::now() + timeout.duration(), timeout };
        let (blobs, url) = (Memory::new(), Url::parse("https://slow.example/file").unwrap());
        let began = Instant::now();
        let answer = clients.answer(response.into(), &url, limit, Files { blobs: &blobs, keeps }).await;
        let length = answer.map_err(|lost| lost.failure).map(|answer| match answer.body {
            AnswerBody::Whole(bytes) => bytes.len() as u64,
            AnswerBody::Kept(file) => file.size,
            AnswerBody::TooLarge(_) => panic!("it is too large"),
            AnswerBody::Broken => 0,
        });
        (length, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_drips_ends_long_before_the_time_of_its_call() {
        for keeps in [false, true] {
            let (answer, took) = coming(200, keeps, 10_000, 1, Duration::from_secs(10)).await;
            let failure = answer.unwrap_err();
            assert_eq!(failure.kind, ErrorKind::Timeout);
            assert_eq!(
                failure.message,
                "the answer of `slow.example` comes too slowly: fewer than 1024 bytes within 1m"
            );
            assert_eq!(took.as_secs(), 60);
        }
        // The status of a refusal says enough.
        let (answer, took) = coming(404, false, 10_000, 1, Duration::from_secs(10)).await;
        assert_eq!((answer, took.as_secs()), (Ok(0), 60));
    }

    /// However little it is: the system itself ends a connection of which nothing is taken.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[tokio::test]
    async fn case_11_a_small_request_that_its_server_does_not_take_is_lost_before_the_time_of_the_call() {
        // A server with next to no room, which reads nothing.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(1).unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let url = Url::parse(&format!("http://{}/up", listener.local_addr().unwrap())).unwrap();
        let (guard, longest) = (Guard::new(Networks::localhost()), Longest { answer: 1 << 20, file: 1 << 30 });
        let fresh = client(0, &guard, Millis(100)).into();
        let clients = Clients { fresh, ..Clients::new(longest, guard) };
        let body = vec![b'.'; PIECE].into();
        let prepared = Prepared {
            method: Method::POST,
            url,
            headers: HeaderMap::new(),
            body,
            hosts: Vec::new(),
            servers: Vec::new(),
        };
        let (secrets, blobs) = (Redactor::default(), Memory::new());
        let files = Files { blobs: &blobs, keeps: false };
        let Err(lost) = clients.send(prepared, false, Millis::seconds(60), &secrets, files, None).await else {
            panic!("it was answered")
        };
        assert_eq!((&lost.failure.kind, lost.reached), (&ErrorKind::Unavailable, Reached::Perhaps), "{}", lost.failure);
        drop(listener);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_slow_and_comes_may_take_the_time_of_its_call() {
        for keeps in [false, true] {
            // Half of what has to come within a minute, every 25 seconds; and a few bytes at the end.
            let (answer, took) = coming(200, keeps, 601, 512, Duration::from_secs(25)).await;
            assert_eq!(answer, Ok(601 * 512));
            assert!(took > Duration::from_secs(4 * 3600), "{took:?}");
            assert_eq!(
                coming(200, keeps, 4, 1, Duration::from_secs(10)).await.0,
                Ok(4),
                "short ones within the minute"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_system_that_sends_white_space_while_it_works_may_take_the_time_of_its_call() {
        let half = Duration::from_secs(30);
        let working = |count: usize| vec![b"\r\n".to_vec(); count];
        let whole = || [working(300), vec![br#"{"id":1}"#.to_vec()]].concat();
        let (answer, took) = coming_as(200, false, whole(), half).await;
        assert_eq!(answer, Ok(608));
        assert!(took > Duration::from_secs(2 * 3600), "{took:?}");
        // From its beginning on it has to come.
        let dripping = [working(10), vec![b"{".to_vec()], working(10)].concat();
        assert_eq!(coming_as(200, false, dripping, half).await.0.unwrap_err().kind, ErrorKind::Timeout);
        // Silence is no sign of life, and in a file every byte counts.
        let silent = coming_as(200, false, whole(), Duration::from_secs(61)).await;
        assert_eq!((silent.0.unwrap_err().kind, silent.1.as_secs()), (ErrorKind::Timeout, 60));
        assert_eq!(coming_as(200, true, whole(), half).await.0.unwrap_err().kind, ErrorKind::Timeout);
    }
}
