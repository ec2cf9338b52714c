//! A folder that a process watches: each version of a file has one run, over restarts; and what is kept of them is removed
//! when nobody needs it any more.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value as Json, json};

use super::{
    eventually,
    process::{Serving, flowc, output, run, runs},
};

const PROGRAM: &str = "
flow take_in {
  on file \"inbox/*.csv\" as found { concurrency: 2 }
  log \"{found.file.name}\"
  return { name: found.file.name, size: found.file.size }
}
";

fn serve(folder: &Path) -> Serving {
    let data = folder.join("data");
    let mut command = flowc();
    command.current_dir(folder).args(["serve", "main.flow", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    Serving::start(&mut command)
}

/// How many completed runs have taken in each version of a file, when that many are there.
async fn taken(folder: &Path, count: usize) -> BTreeMap<(String, i64), usize> {
    eventually("the files are taken in", async || {
        let all = runs(&folder.join("data"));
        let done: Vec<&Json> = all.iter().filter(|run| run["state"] == "completed").collect();
        if done.len() < count {
            return Err(all);
        }
        let mut taken = BTreeMap::new();
        for one in done {
            let result = &run(&folder.join("data"), one["id"].as_str().unwrap())["result"];
            let name = result["name"].as_str().unwrap_or_default().to_owned();
            *taken.entry((name, result["size"].as_i64().unwrap_or_default())).or_default() += 1;
        }
        Ok(taken)
    })
    .await
}

fn versions(of: &[(&str, i64)]) -> BTreeMap<(String, i64), usize> {
    of.iter().map(|(name, size)| (((*name).to_owned(), *size), 1)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_version_of_a_file_has_one_run_over_restarts_and_is_removed_when_it_is_old() {
    let project = tempfile::tempdir().unwrap();
    let folder = project.path();
    fs::create_dir(folder.join("inbox")).unwrap();
    fs::write(folder.join("main.flow"), PROGRAM).unwrap();
    let put = |name: &str, text: &str| fs::write(folder.join("inbox").join(name), text).unwrap();
    put("a.csv", "1");
    put("a.txt", "no table");
    put(".b.csv", "hidden");

    // What lies there at the first start, and what comes while it runs.
    let serving = serve(folder);
    assert_eq!(taken(folder, 1).await, versions(&[("a.csv", 1)]));
    put("b.csv", "12");
    assert_eq!(taken(folder, 2).await, versions(&[("a.csv", 1), ("b.csv", 2)]));
    serving.kill();

    // A version that came while nothing ran; the others are known.
    put("a.csv", "123");
    let serving = serve(folder);
    let all = taken(folder, 3).await;
    assert_eq!(all, versions(&[("a.csv", 1), ("a.csv", 3), ("b.csv", 2)]));

    // Nobody makes a folder small that is in use.
    let compact = |keep: &str| {
        let data = folder.join("data");
        output(flowc().current_dir(folder).args(["journal", "compact", "--keep", keep, "--data"]).arg(data))
    };
    compact("30d").says(6, &["is in use by process"]);
    serving.signal("TERM");
    serving.ended().says(0, &[]);
    let told = compact("30d").says(0, &[]).stdout;
    assert!(told.starts_with("removed 0 runs"), "{told}");
    assert_eq!(taken(folder, 3).await, all);
    let told = compact("1ms").says(0, &[]).stdout;
    assert!(told.starts_with("removed 3 runs") && told.contains("the database has "), "{told}");
    assert_eq!(json!(runs(&folder.join("data"))), json!([]));
}
