//! Ways in: which there are, and what others are told.

use flow_model::plan::{NodeKind, TriggerKind};
use flow_model::{ty::Type, units::Millis};
use serde_json::json;

use super::{
    super::{RouteError, Verified, routes, schedules},
    *,
};
use plans::{http, on_each_change, on_paid, plan, text, trigger};

fn simple(flow: &str, method: &str, path: &str) -> Arc<Plan> {
    Arc::new(plan(flow, vec![http(method, path, None)], vec![NodeKind::Return(text("done"))]))
}

#[test]
fn ways_in_are_listed_with_their_flows() {
    let hourly = trigger(TriggerKind::Every(Millis::seconds(3600)), Type::Json);
    let plans = vec![
        simple("leads", "post", "/leads"),
        on_paid("receipt", "stripe/webhook"),
        on_paid("books", "stripe/webhook"),
        on_each_change("follow"),
        Arc::new(plan("clean", vec![hourly], Vec::new())),
    ];
    let listed: Vec<_> = routes(&plans)
        .unwrap()
        .into_iter()
        .map(|route| (route.to_string(), route.flows.join(" "), route.verified))
        .collect();
    assert_eq!(
        listed,
        [
            ("POST /hooks/crm".to_owned(), "follow".to_owned(), Verified::NotAll),
            ("POST /hooks/payments".to_owned(), "receipt books".to_owned(), Verified::All),
            ("POST /leads".to_owned(), "leads".to_owned(), Verified::NotAll),
        ]
    );
    let schedules = schedules(&plans).unwrap();
    let [schedule] = schedules.as_slice() else { panic!("{schedules:?}") };
    assert_eq!((schedule.flow.as_str(), schedule.to_string()), ("clean", "every 1h".to_owned()));
}

#[test]
fn two_flows_can_t_have_the_same_requests() {
    let taken = routes(&[simple("a", "POST", "/x"), simple("b", "post", "/x")]).unwrap_err();
    assert_eq!(taken.to_string(), "the flows `a` and `b` both listen to `POST /x`: give one of them another path");
    let hook = routes(&[on_paid("a", "s"), simple("b", "POST", "/hooks/payments")]).unwrap_err();
    assert!(matches!(hook, RouteError::Taken { .. }), "{hook}");
    let hook = routes(&[simple("b", "POST", "/hooks/payments"), on_paid("a", "s")]).unwrap_err();
    assert!(matches!(hook, RouteError::Taken { .. }), "{hook}");
    let reserved = routes(&[simple("a", "GET", "/healthz")]).unwrap_err();
    assert!(matches!(reserved, RouteError::Reserved { .. }), "{reserved}");
    assert!(routes(&[simple("a", "POST", "/x"), simple("b", "PUT", "/x")]).is_ok());
}

#[test]
fn a_plan_without_its_connector_is_said_to_be_broken() {
    let mut torn = Arc::unwrap_or_clone(on_paid("receipt", "s"));
    torn.connectors.clear();
    let broken = routes(&[Arc::new(torn)]).unwrap_err();
    assert!(broken.to_string().contains("`paid` of the connection `payments`"), "{broken}");
}

#[tokio::test]
async fn who_comes_the_wrong_way_is_told_the_right_ones() {
    let (_folder, _, served) = fresh(vec![
        simple("leads", "POST", "/leads"),
        simple("hello", "PUT", "/grüße"),
        on_paid("receipt", "stripe/webhook"),
    ])
    .await;
    let (status, body) = sent(served.post("/lead", "{}")).await;
    assert_eq!((status, &body["error"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    assert_eq!(body["routes"], json!(["PUT /gr%C3%BC%C3%9Fe", "GET /healthz", "POST /hooks/payments", "POST /leads"]));
    assert_eq!(sent(served.post("/leads/", "{}")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(sent(served.post("/hooks/../leads", "{}")).await.0, StatusCode::ACCEPTED);
    let hello = served.http.put(format!("http://{}/grüße", served.address));
    assert_eq!(sent(hello).await.0, StatusCode::ACCEPTED);
    let answer = served.http.get(format!("http://{}/leads", served.address)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.headers().get("allow").unwrap(), "POST");
    let body: Json = answer.text().await.unwrap().parse().unwrap();
    assert_eq!(body["routes"], json!(["POST /leads"]));
    served.stop().await.unwrap();
}

#[tokio::test]
async fn the_server_says_that_it_is_there() {
    let (_folder, _, served) = fresh(Vec::new()).await;
    let url = format!("http://{}/healthz", served.address);
    assert_eq!(sent(served.http.get(&url)).await, (StatusCode::OK, json!({ "status": "ok" })));
    assert_eq!(served.http.head(&url).send().await.unwrap().status(), StatusCode::OK);
    served.stop().await.unwrap();
}
