# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says, in English and Chinese: what is so, and, for a problem, what to do.

One entry per code of `flows.doctor`; a test keeps the two together.
"""

from __future__ import annotations

type Words = dict[str, tuple[str, str]]

ENGLISH: Words = {
    "config_read": ("settings read from {path}", ""),
    "config_none": ("no storewarden.yml found: every setting has its default", ""),
    "config_broken": ("{error}", "correct that line; the checks below use the defaults"),
    "version_fits": ("{name} {found}", ""),
    "version_outside": (
        "{name} {found}, but this release needs {wanted}",
        "install storewarden anew, into an environment of its own",
    ),
    "package_missing": (
        "{name} is not installed beside storewarden",
        "install storewarden anew; it brings {name} {wanted}",
    ),
    "programs_fine": ("Ansible's programs are in {folder}", ""),
    "program_missing": ("{name} is not beside {executable}", "install storewarden anew"),
    "program_shadowed": (
        "a shell finds another {name}: {other}",
        "call {beside}, or put its folder first on PATH; storewarden itself already does",
    ),
    "collection_found": ("storewarden.ops {version} in {path}", ""),
    "collection_missing": (
        "the collection storewarden.ops is not beside the Python package",
        "install storewarden anew; in a checkout: make dev",
    ),
    "collection_wins": (
        "another storewarden.ops {version} in {path}: plain ansible-playbook runs that one",
        "remove that folder",
    ),
    "collection_second": (
        "a second storewarden.ops {version} in {path}",
        "remove that folder, before some search path puts it first",
    ),
    "ssh_found": ("{version}", ""),
    "ssh_missing": ("there is no ssh on the PATH", "install openssh-client"),
    "known_hosts_found": ("host keys in {path}", ""),
    "known_hosts_missing": (
        "no known host keys ({paths}): every host would be refused",
        "collect them on a line you trust: ssh-keyscan -H HOST..., compare, then add",
    ),
    "file_fine": ("{key}: {path}", ""),
    "file_missing": (
        "{key}: {path} is not there or not readable",
        "create it, or correct the setting",
    ),
    "file_open": ("{key}: others can read {path}", "chmod 600 {path}"),
    "state_not_writable": (
        "{path} cannot be created or written",
        "run as the user it belongs to, or set state_dir",
    ),
    "disk_fine": ("{free} GB free for {path}", ""),
    "disk_low": (
        "only {free} GB free for {path}, less than {needed} GB",
        "make room, or set state_dir to a larger disk",
    ),
    "ledger_absent": ("none yet; the first audit creates {path}", ""),
    "ledger_there": ("{path}", ""),
    "ledger_opens": ("{path}, schema {schema}", ""),
    "ledger_broken": (
        "{error}",
        "storewarden ledger verify shows what is intact; else restore a copy",
    ),
    "ledger_foreign": (
        "{path} is not a ledger, or not readable",
        "correct the setting ledger, or run as the user it belongs to",
    ),
    "rollouts_fine": ("{count} under way, none waits for a person", ""),
    "rollouts_stopped": (
        "the kill switch is on: {why}",
        "storewarden rollout go-on, when it is over",
    ),
    "rollouts_wait": (
        "{count} need a person; the first: {first}",
        "storewarden rollout status {first} says for what",
    ),
    "rollouts_silent": (
        "workers with work that are not heard of: {workers}",
        "start them again, or see that a controller runs: storewarden serve",
    ),
    "rollouts_broken": ("{error}", "storewarden rollout list"),
    "clock_fine": ("{now}, synchronised; time zone {zone}", ""),
    "clock_unknown": (
        "{now}, time zone {zone}; nothing here tells whether it is synchronised",
        "",
    ),
    "clock_drifts": ("{now}, not synchronised", "install and start chrony or systemd-timesyncd"),
    "clock_insane": ("{now} cannot be right", "set the clock, then start time synchronisation"),
    "locale_fine": ("{encoding}", ""),
    "locale_terminal": ("{encoding}, on a terminal", ""),
    "locale_not_utf8": ("{encoding}: Ansible only starts with UTF-8", "export LC_ALL=C.UTF-8"),
    "locale_unknown": ("{error}: Ansible refuses to start", "export LC_ALL=C.UTF-8"),
    "tickets_local": ("the ledger itself; no other system", ""),
    "tickets_ready": ("{name} answers and has the fields that are needed", ""),
    "tickets_broken": (
        "{error}",
        "until then changes wait for their tickets; see docs/operators/tickets.md",
    ),
    "windows_none": ("no folder of calendars: every device has the quiet hours", ""),
    "windows_ready": ("{rules} windows, blackouts, campaigns and holidays", ""),
    "windows_provisional": (
        "{rules} windows, blackouts, campaigns and holidays; provisional, because the public "
        "holidays are not official yet: {years}",
        "",
    ),
    "windows_broken": (
        "{error}",
        "correct it: until then no change can start; see docs/operators/window.md",
    ),
    "people_none": ("no people file: changes can be neither asked for nor approved", ""),
    "people_nobody": ("nobody yet: changes can be neither asked for nor approved", ""),
    "people_ready": ("{count}; every role that approves changes is held", ""),
    "people_lacking": (
        "nobody is there to approve as {roles}; each role needs a person of its own",
        "give the role to somebody in the people file, or ask for another in changes.approvals",
    ),
    "people_broken": ("{error}", "correct it; see docs/operators/people.md"),
    "inventory_none": ("none configured: give -i, or set inventory in storewarden.yml", ""),
    "inventory_read": ("{hosts} hosts in {source}", ""),
    "inventory_broken": (
        "{error}",
        "correct it; ansible-inventory -i FILE --list shows every problem",
    ),
    "estate_complete": ("{hosts} devices in {stores} stores, nothing missing", ""),
    "estate_findings": (
        "{count} findings on {hosts} hosts; the first: {first}",
        "set the variables for the hosts or their groups; see docs/operators/estate.md",
    ),
}

CHINESE: Words = {
    "config_read": ("设置读自 {path}", ""),
    "config_none": ("没有找到 storewarden.yml：所有设置均为默认值", ""),
    "config_broken": ("{error}", "改正该行；以下检查按默认值进行"),
    "version_fits": ("{name} {found}", ""),
    "version_outside": (
        "{name} {found}，本版本需要 {wanted}",
        "在独立的环境中重新安装 storewarden",
    ),
    "package_missing": (
        "{name} 没有与 storewarden 装在一起",
        "重新安装 storewarden，它会带上 {name} {wanted}",
    ),
    "programs_fine": ("Ansible 的程序在 {folder}", ""),
    "program_missing": ("{executable} 旁没有 {name}", "重新安装 storewarden"),
    "program_shadowed": (
        "命令行会找到另一个 {name}：{other}",
        "使用 {beside}，或把它所在目录放在 PATH 最前；storewarden 自身已如此",
    ),
    "collection_found": ("storewarden.ops {version}，位于 {path}", ""),
    "collection_missing": (
        "Python 包旁没有集合 storewarden.ops",
        "重新安装 storewarden；在源码目录中：make dev",
    ),
    "collection_wins": (
        "另有一份 storewarden.ops {version}，位于 {path}：直接运行 ansible-playbook 会用它",
        "删除该目录",
    ),
    "collection_second": (
        "还有一份 storewarden.ops {version}，位于 {path}",
        "删除该目录，以免某个搜索路径把它排在前面",
    ),
    "ssh_found": ("{version}", ""),
    "ssh_missing": ("PATH 中没有 ssh", "安装 openssh-client"),
    "known_hosts_found": ("主机密钥在 {path}", ""),
    "known_hosts_missing": (
        "没有已知的主机密钥（{paths}）：所有主机都会被拒绝",
        "在可信的线路上收集：ssh-keyscan -H 主机…，核对后再加入",
    ),
    "file_fine": ("{key}：{path}", ""),
    "file_missing": ("{key}：{path} 不存在或不可读", "创建该文件，或改正设置"),
    "file_open": ("{key}：其他用户可以读取 {path}", "chmod 600 {path}"),
    "state_not_writable": ("{path} 无法创建或写入", "以其所属用户运行，或设置 state_dir"),
    "disk_fine": ("{path} 可用空间 {free} GB", ""),
    "disk_low": (
        "{path} 可用空间只有 {free} GB，少于 {needed} GB",
        "清理空间，或把 state_dir 设到更大的磁盘",
    ),
    "ledger_absent": ("尚无台账；第一次审计会创建 {path}", ""),
    "ledger_there": ("{path}", ""),
    "ledger_opens": ("{path}，结构版本 {schema}", ""),
    "ledger_broken": (
        "{error}",
        "用 storewarden ledger verify 查看哪些部分完好；否则恢复副本",
    ),
    "ledger_foreign": (
        "{path} 不是台账，或不可读",
        "改正设置 ledger，或以其所属用户运行",
    ),
    "rollouts_fine": ("进行中 {count} 项，均无需人工", ""),
    "rollouts_stopped": ("总停开关已打开：{why}", "处理完毕后执行 storewarden rollout go-on"),
    "rollouts_wait": (
        "{count} 项需要人工处理；第一项：{first}",
        "用 storewarden rollout status {first} 查看原因",
    ),
    "rollouts_silent": (
        "以下 worker 有任务但无心跳：{workers}",
        "重新启动，或确认控制器在运行：storewarden serve",
    ),
    "rollouts_broken": ("{error}", "storewarden rollout list"),
    "clock_fine": ("{now}，已同步；时区 {zone}", ""),
    "clock_unknown": ("{now}，时区 {zone}；本机无法得知是否已同步", ""),
    "clock_drifts": ("{now}，未同步", "安装并启动 chrony 或 systemd-timesyncd"),
    "clock_insane": ("{now} 不可能正确", "校准时钟，再启动时间同步"),
    "locale_fine": ("{encoding}", ""),
    "locale_terminal": ("{encoding}，终端", ""),
    "locale_not_utf8": ("{encoding}：Ansible 只在 UTF-8 下启动", "export LC_ALL=C.UTF-8"),
    "locale_unknown": ("{error}：Ansible 会拒绝启动", "export LC_ALL=C.UTF-8"),
    "tickets_local": ("台账本身，未配置其他系统", ""),
    "tickets_ready": ("{name} 应答正常，所需字段齐全", ""),
    "tickets_broken": ("{error}", "在此之前变更不会同步为工单；见 docs/operators/tickets.md"),
    "windows_none": ("未配置日历目录：所有设备均按空闲时段处理", ""),
    "windows_ready": ("窗口、封网、促销和假期共 {rules} 项", ""),
    "windows_provisional": (
        "窗口、封网、促销和假期共 {rules} 项；以下年份放假安排尚未公布，暂定：{years}",
        "",
    ),
    "windows_broken": ("{error}", "改正它：在此之前变更无法开始；见 docs/operators/window.md"),
    "people_none": ("没有人员文件：无法申请或审批变更", ""),
    "people_nobody": ("尚无人员：无法申请或审批变更", ""),
    "people_ready": ("{count} 人；所有审批角色均有人担任", ""),
    "people_lacking": (
        "没有人可以作为 {roles} 审批；每个角色需由不同的人担任",
        "在人员文件中把该角色分配给某人，或修改 changes.approvals",
    ),
    "people_broken": ("{error}", "改正它；见 docs/operators/people.md"),
    "inventory_none": ("未配置清单：使用 -i，或在 storewarden.yml 中设置 inventory", ""),
    "inventory_read": ("{source} 中有 {hosts} 台主机", ""),
    "inventory_broken": (
        "{error}",
        "改正它；ansible-inventory -i 文件 --list 会列出全部问题",
    ),
    "estate_complete": ("{stores} 家门店共 {hosts} 台设备，信息完整", ""),
    "estate_findings": (
        "{hosts} 台主机上有 {count} 项问题；第一项：{first}",
        "为主机或其组设置变量；见 docs/operators/estate.md",
    ),
}

SUBJECTS: dict[str, tuple[str, str]] = {
    "config": ("settings", "设置"),
    "python": ("Python", "Python"),
    "ansible-core": ("ansible-core", "ansible-core"),
    "ansible-runner": ("ansible-runner", "ansible-runner"),
    "programs": ("programs", "程序"),
    "collection": ("collection", "集合"),
    "ssh": ("ssh", "ssh"),
    "known_hosts": ("host keys", "主机密钥"),
    "files": ("files", "文件"),
    "state": ("state", "状态目录"),
    "disk": ("disk", "磁盘"),
    "ledger": ("ledger", "台账"),
    "rollouts": ("rollouts", "发布"),
    "clock": ("clock", "时钟"),
    "locale": ("locale", "语言环境"),
    "inventory": ("inventory", "清单"),
    "estate": ("estate", "资产"),
    "windows": ("windows", "窗口"),
    "people": ("people", "人员"),
    "tickets": ("tickets", "工单"),
}

MARKS = {"en": ("OK", "PROBLEM"), "zh": ("正常", "问题")}
END = {"en": ("no problem", "{count} of {all} checks found a problem"),
       "zh": ("没有问题", "{all} 项检查中有 {count} 项发现问题")}  # fmt: skip
