// Which events of the journal are changes that the audit has to have: those that no request of the admin API caused. An event that is
// not listed counts as one, so that a new one is not missed; a test asks for the decision.

export const auditedEvents: Readonly<Record<string, boolean>> = {
  // What went live, whoever caused it: a commit, a saved file, a request, a way back.
  'generation.live': true,
  'sync.applied': true,
  'sync.held': true,
  'sync.failed': true,
  'probation.failed': true,
  'service.quarantined': true,
  'certificate.renewed': true,
  'deploy.superseded': true,
  // A session of a debugger is opened by an upgrade, which is no change of what is live, and may change what runs.
  'debugger.attached': true,
  'debugger.detached': true,
  'token.first': true,
  'token.migrated': true,
  // A request caused it, and has its rows.
  'apply.applied': false,
  'apply.refused': false,
  rollback: false,
  'marks.cleared': false,
  'probation.cut': false,
  'token.created': false,
  'token.exchanged': false,
  'token.revoked': false,
  'task.resubmitted': false,
  'task.discarded': false,
  'job.paused': false,
  'job.resumed': false,
  // Nothing changed.
  'task.dead': false,
  'job.failed': false,
  'job.unknown': false,
  'job.skipped': false,
  'jobs.clock': false,
  'sync.started': false,
  'sync.nothing': false,
  'sync.recovered': false,
  'probation.passed': false,
  'worker.gone': false,
  'worker.blamed': false,
  'worker.unexplained': false,
  'certificate.unkept': false,
  'store.failed': false,
}
