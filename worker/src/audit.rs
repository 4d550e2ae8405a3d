pub async fn run(_settings: crate::config::Audit) -> anyhow::Result<std::process::ExitCode> {
    unreachable!()
}
