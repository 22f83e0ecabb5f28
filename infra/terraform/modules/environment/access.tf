# Who may do what with each bucket: the table that the first promise rests on. A step creates objects and replaces none,
# but for checkpoints and for what its own graph leaves in the pipeline root.
locals {
  prefix  = "store"
  desired = "endpoints/generations.jsonl"

  access = {
    # The documents that recipes start from.
    sources = {
      lifecycle-reads = { member = local.accounts.lifecycle, role = "objectViewer" }
      developers-put  = { member = module.identities.groups.developers, role = "objectUser" }
    }
    # Artifacts, reports, requests, decisions: what is there stays as it is.
    store = merge(
      { for name in ["lifecycle", "train", "release", "monitor", "submit"] : "${name}-creates" => { member = local.accounts[name], role = "objectCreator" } },
      { for name in ["lifecycle", "train", "release", "monitor", "submit", "serve"] : "${name}-reads" => { member = local.accounts[name], role = "objectViewer" } },
      { for name in ["lifecycle", "train"] : "${name}-checkpoints" => { member = local.accounts[name], role = "objectUser", prefix = "${local.prefix}/checkpoints/" } },
      { submit-probes = { member = local.accounts.submit, role = "objectUser", prefix = "${local.prefix}/doctor-" } }, # `sluice doctor` removes what it wrote
      { submit-schedules = { member = local.accounts.submit, role = "objectUser", prefix = "${local.prefix}/schedules/" } },
      { for name, member in var.approvers : "approver-${name}-creates" => { member = member, role = "objectCreator" } },
      { for name, member in var.approvers : "approver-${name}-reads" => { member = member, role = "objectViewer" } },
      { developers-read = { member = module.identities.groups.developers, role = "objectViewer" } },
      { admins-tidy = { member = module.identities.groups.admins, role = "objectUser" } }, # by hand: `sluice gc` sweeps no bucket
    )
    # What Vertex AI keeps between steps, under the project's number and the run's id, which begins with the graph's name.
    pipelines = merge(
      { for name in ["lifecycle", "release", "monitor", "submit"] : "${name}-reads" => { member = local.accounts[name], role = "objectViewer" } },
      { for prefix, name in { lifecycle = "lifecycle", smoke = "lifecycle", release = "release", monitoring = "monitor" } :
        "${prefix}-runs" => { member = local.accounts[name], role = "objectUser", prefix = "pipelines/${var.project_number}/${prefix}-" }
      },
      { developers-read = { member = module.identities.groups.developers, role = "objectViewer" } },
    )
    # What users wrote: only who learns from it, watches it or answers it.
    requests = {
      serve-writes    = { member = local.accounts.serve, role = "objectCreator" }
      lifecycle-reads = { member = local.accounts.lifecycle, role = "objectViewer" }
      monitor-reads   = { member = local.accounts.monitor, role = "objectViewer" }
    }
    # Whose key may decide what, and what the dispatcher dispatches: no account writes it.
    trust = merge(
      { for name in ["lifecycle", "release", "monitor", "submit"] : "${name}-reads" => { member = local.accounts[name], role = "objectViewer" } },
      { for name, member in var.approvers : "approver-${name}-reads" => { member = member, role = "objectViewer" } },
      { developers-read = { member = module.identities.groups.developers, role = "objectViewer" } },
      { admins-write = { member = module.identities.groups.admins, role = "objectUser" } },
    )
    # What should serve is written by who releases and who rolls back; what was observed, by what serves.
    state = merge(
      { for name in ["lifecycle", "release", "monitor", "submit", "serve"] : "${name}-reads" => { member = local.accounts[name], role = "objectViewer" } },
      { release-decides = { member = local.accounts.release, role = "objectUser", prefix = local.desired } },
      { serve-observes = { member = local.accounts.serve, role = "objectUser", prefix = "endpoints/observed/" } },
      { for name, member in var.approvers : "approver-${name}-reads" => { member = member, role = "objectViewer" } },
      { for name, member in var.approvers : "approver-${name}-decides" => { member = member, role = "objectUser", prefix = local.desired } },
      { developers-read = { member = module.identities.groups.developers, role = "objectViewer" } },
    )
  }

  delete_after_days = { pipelines = 90, requests = var.keep_requests_days }

  buckets = { for name, access in local.access : name => {
    name              = "${var.project}-sluice-${name}"
    access            = access
    delete_after_days = lookup(local.delete_after_days, name, null)
    # A deleted request is to be gone; an older version of the trust roots or of what should serve is to be had.
    keep_old_versions_days = lookup({ requests = 1, trust = 365, state = 365 }, name, 30)
  } }
}
