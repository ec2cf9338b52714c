//! `flowc runs resume`: a run that was interrupted goes on.

use std::sync::Arc;

use crate::{
    args,
    exit::Exit,
    host::{self, Host, Surroundings},
    interrupt::Interrupts,
    program::{self, needs::Needs},
    trouble::Trouble,
};

/// Continues a run and shows it.
///
/// # Errors
/// There is no such run, it is over, or something that it needs is missing.
pub(super) fn resume(args: &args::RunsResume) -> Result<Exit, Trouble> {
    let of = &args.of;
    let found = super::runs::find(&super::runs::open(&of.data, &of.program)?, &of.run)?;
    if found.state.is_final() {
        let message = format!("run `{}` is {} already", found.id, found.state);
        return Err(Trouble::new(Exit::Usage, message).help(format!("`flowc runs show {}` shows it", found.id)));
    }
    let place = program::Place::of(&of.program, &of.data.environment)?;
    let surroundings = Surroundings::of(&place, &of.program, &of.data)?;
    let (host, data) = (Host::new(&surroundings), surroundings.data);
    host::block_on(async {
        let mut interrupts = Interrupts::new()?;
        let engine = Arc::new(host.open(&data)?);
        engine.check_origin().await.map_err(|error| host::trouble(&error))?;
        let _listening = host::listen(&engine, &data).await;
        let mut needs = Needs::default();
        let plan = engine.plan_of(&found.id).await.map_err(|error| host::trouble(&error))?;
        plan.iter().for_each(|plan| needs.add_unfinished(plan));
        needs.check(&host)?;
        let messages = engine.subscribe();
        engine.watch();
        let taken_up = engine.take_up(&found.id).await;
        taken_up.map_err(|error| Trouble::new(Exit::Environment, error.to_string()))?;
        let exit = super::run::watch(&engine, &found.id, messages, &data, &mut interrupts).await;
        interrupts.or(engine.shutdown()).await?;
        exit
    })
}
