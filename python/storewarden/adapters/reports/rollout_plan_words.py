# SPDX-License-Identifier: GPL-3.0-or-later
"""What a planned rollout says, in English and Chinese."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from storewarden.adapters.reports.rollout_times import span
from storewarden.domain.maintenance.words import operation_name
from storewarden.domain.rollout.deadlines import Deadline, Kept, Loosened, Loosening
from storewarden.domain.rollout.schedule import WaveTimes
from storewarden.domain.rollout.spec import SizeKind, Soak, WaveSize
from storewarden.domain.rollout.spec_defaults import REST
from storewarden.ports.reports import Language

WORDS: dict[str, tuple[str, str]] = {
    "title": ("Rollout plan", "灰度发布计划"),
    "colon": (": ", "："),
    "list": (", ", "、"),
    "semi": ("; ", "；"),
    "planned_from": ("planned from {at} on", "自 {at} 起计划"),
    "class": ("class {name}", "类别 {name}"),
    "reversible_A": ("taken back by turning a link", "回退方式：切换链接"),
    "reversible_B": (
        "taken back by putting old packages and files back",
        "回退方式：恢复旧软件包和文件",
    ),
    "reversible_C": (
        "data would have to be restored: only people may",
        "须恢复数据：只能由人工执行",
    ),
    "reversible_D": ("cannot be taken back: two approvals", "不可回退：须两人批准"),
    "change": ("change {number} ({state})", "变更 {number}（{state}）"),
    "no_change": ("only looked: no change", "仅查看：未指定变更"),
    "counts": (
        "{hosts} hosts in {stores} stores, {waves} waves; {strata} kinds of devices",
        "{stores} 家门店的 {hosts} 台主机，共 {waves} 波；{strata} 种设备",
    ),
    "drawn": (
        "drawn with salt {salt}",
        "抽签盐值 {salt}",
    ),
    "wish": (
        "what approvers say yes to: rollout {wish}, hosts {digest}",
        "批准人批准的是：发布内容 {wish}，主机清单 {digest}",
    ),
    "needs": (
        "A host needs {needs} of its window, undo included; class of work: {operation}",
        "每台主机需要窗口 {needs}（含回退）；操作类别：{operation}",
    ),
    "at_once": (
        "At once: {lanes} runs of up to {shard} hosts, {forks} forks each, {site} hosts in all",
        "并发：{lanes} 个运行，每个至多 {shard} 台，各 {forks} 个并行，合计至多 {site} 台",
    ),
    "own_window": ("The change's own window: {starts} - {ends}", "变更窗口：{starts} - {ends}"),
    "nothing": ("There is nothing to roll out.", "没有可发布的主机。"),
    "waves": ("Waves", "波次"),
    "wave": ("#", "波"),
    "reach": ("reach", "范围"),
    "stores": ("stores", "门店"),
    "hosts": ("hosts", "主机"),
    "begins": ("begins", "开始"),
    "ends": ("all verified", "全部验证"),
    "watched": ("watched until", "观察至"),
    "undo": ("undo of all", "全部回退"),
    "size_stores": ("{count} stores", "{count} 家门店"),
    "size_store": ("1 store", "1 家门店"),
    "size_label": ("label {label}", "标签 {label}"),
    "size_stratum": ("{count} per stratum", "每类 {count} 家"),
    "size_rest": ("rest", "其余"),
    "part": ("{size} ({part}/{parts})", "{size}（{part}/{parts}）"),
    "too_slow": ("{takes} TOO LONG", "{takes} 超时"),
    "unknown": ("-", "-"),
    "done": ("All hosts changed: {at}", "全部完成：{at}"),
    "over": ("Watched to the end: {at}", "观察结束：{at}"),
    "assumes": (
        "Dates are those of a rollout in which nothing fails, no host is away and every gate "
        "passes at once.",
        "以上日期假定没有失败、没有离线主机且每道门禁一次通过。",
    ),
    "approval_waits": (
        "Gate {name} waits for a person: every wave is as late as that answer.",
        "门禁 {name} 须人工批准：每一波都取决于批准时间。",
    ),
    "gates": ("Gates", "门禁"),
    "gates_line": (
        "{names}: asked when a soak is over; only a pass of all promotes",
        "{names}：观察期结束时判定；全部通过才进入下一波",
    ),
    "no_gates": ("none: only the hosts' own verification counts", "无：仅以主机自身验证为准"),
    "soak": ("Soak", "观察期"),
    "soak_wall": ("{wall} after every wave", "每波之后 {wall}"),
    "soak_trading": (", at least {trading} of trade among it", "，其中营业时间至少 {trading}"),
    "soak_emergency": (" (emergency lane)", "（紧急通道）"),
    "never_open": (
        "Wave {number}: none of its stores ever opens; only time on the clock counts.",
        "第 {number} 波：门店均不营业，只计时钟时间。",
    ),
    "deadlines": ("Deadlines", "时限"),
    "kept": ("kept", "满足"),
    "missed": ("MISSED", "超期"),
    "told": ("note", "提示"),
    "lane": ("lane", "通道"),
    "spare": ("{by} to spare", "余 {by}"),
    "late": ("{by} late", "晚 {by}"),
    "early": ("{by} too early", "早 {by}"),
    "nobody": ("nobody can tell", "无法预计"),
    "deadline_done": (
        "every host changed by {due} (risk {risk}, guide {guide})",
        "{due} 前全部完成（风险 {risk}，指南 {guide}）",
    ),
    "deadline_start": (
        "begun by {due} after approval (risk {risk}, guide {guide})",
        "批准后 {due} 前开始（风险 {risk}，指南 {guide}）",
    ),
    "deadline_notice": (
        "business units told 2 working days before: not before {due} (guide {guide})",
        "提前 2 个工作日通知业务部门：不早于 {due}（指南 {guide}）",
    ),
    "deadline_content": (
        "all of it within 3 h once the pilot is over: by {due} (guide {guide})",
        "试点结束后 3 小时内全部完成：{due} 前（指南 {guide}）",
    ),
    "risk_high": ("high", "高"),
    "risk_medium": ("medium", "中"),
    "risk_low": ("low", "低"),
    "lane_keeps": (
        "With --emergency (soaks of {soak}): all hosts changed {at}; keeps every deadline",
        "使用 --emergency（观察 {soak}）：{at} 全部完成；满足全部时限",
    ),
    "lane_misses": (
        "With --emergency (soaks of {soak}): all hosts changed {at}; still misses {missed}",
        "使用 --emergency（观察 {soak}）：{at} 全部完成；仍超期：{missed}",
    ),
    "name_done": ("completion", "完成时限"),
    "name_start": ("the start after approval", "批准后开始"),
    "name_notice": ("the notice", "提前通知"),
    "name_content": ("3 h after the pilot", "试点后 3 小时"),
    "problems": ("What stands in the way", "须先解决"),
    "stuck": (
        "Wave {number}: no window within 400 days holds {needs} for {stores}",
        "第 {number} 波：{stores} 在 400 天内没有 {needs} 的窗口",
    ),
    "undo_forks": (
        "Wave {number}: undoing {exposed} hosts, {at_once} at once, takes {takes}, more than "
        "{limit} (guide 1.3.4): {remedy}",
        "第 {number} 波：{exposed} 台主机每次 {at_once} 台回退需 {takes}，超过 {limit}"
        "（指南 1.3.4）：{remedy}",
    ),
    "undo_group": (
        "Wave {number}: undoing {group} takes {takes}, since its budget lets few go together; "
        "more than {limit} (guide 1.3.4): {remedy}",
        "第 {number} 波：{group} 的预算限制并发，回退需 {takes}，超过 {limit}"
        "（指南 1.3.4）：{remedy}",
    ),
    "remedy_forks": (
        "forks x lanes of {enough} or more ({now} now, site budget {site}), or waves that reach "
        "at most {most} hosts",
        "forks x lanes 至少 {enough}（现为 {now}，全站预算 {site}），或各波累计至多 {most} 台主机",
    ),
    "remedy_group": (
        "a larger budgets.{budget}, or a shorter timing.undo where it was measured",
        "增大 budgets.{budget}，或按实测缩短 timing.undo",
    ),
    "remedy_none": (
        "one undo alone takes longer than that; shorten timing.undo where it was measured",
        "单次回退已超时；请按实测缩短 timing.undo",
    ),
    "consent": (
        "Groups with a single member stand still while it is changed: {groups}. "
        "Agree with budgets.single_consent: true",
        "以下分组只有一个成员，变更时会停用：{groups}。请以 budgets.single_consent: true 明确同意",
    ),
    "gone": (
        "Items of the change that the inventory no longer has: {hosts}",
        "变更中已不在清单的主机：{hosts}",
    ),
    "refused": ("Hosts that no wave takes ({count})", "未纳入的主机（{count}）"),
    "more": ("{count} more (all of them with --json)", "另有 {count}（--json 显示全部）"),
    "remarks": ("Remarks", "备注"),
    "idle": (
        "{size} adds no store: earlier waves reach that far already",
        "{size} 没有新增门店：之前的波次已覆盖",
    ),
    "stale": ("No device has the role or label {names}", "没有设备具有角色或标签 {names}"),
    "added_rest": (
        "The waves of the file do not reach all stores: the rest was added",
        "文件中的波次未覆盖全部门店：已补上其余门店",
    ),
    "unseen": (
        "After wave {number} {count} of {all} kinds of devices have not been seen",
        "第 {number} 波之后仍有 {count}/{all} 种设备未覆盖",
    ),
    "left_out": ("{count} devices of other roles are left out", "其他角色的 {count} 台设备不参与"),
    "provisional": (
        "Provisional: public holidays of {years} are not official yet; plan again when they are",
        "暂定：{years} 年的放假安排尚未公布，公布后请重新计划",
    ),
    "loose_soak": (
        "Watched for {says}; the guide asks for {asked}{guide}",
        "观察 {says}；指南要求 {asked}{guide}",
    ),
    "loose_pilot": (
        "The first wave takes {says} of the stores; {asked} is asked for{guide}",
        "第一波占门店的 {says}；要求 {asked}{guide}",
    ),
    "loose_coverage": (
        "{says} of a wave has to be verified; {asked} is usual",
        "每波须验证 {says}；通常为 {asked}",
    ),
    "loose_stragglers": (
        "{says} of a wave may be left behind; {asked} is usual",
        "每波允许遗留 {says}；通常为 {asked}",
    ),
    "loose_no_gates": ("No gate judges a wave", "没有门禁判定各波"),
    "guide": (" (guide {guide})", "（指南 {guide}）"),
    "store_title": ("Store {store} ({zone}, its own clock)", "门店 {store}（{zone}，当地时间）"),
    "store_wave": ("Wave {number} of {waves}", "第 {number}/{waves} 波"),
    "store_hosts": ("Devices", "设备"),
    "store_turns": (
        "{hosts} devices in {turns} turns: budgets let {together} go together",
        "{hosts} 台设备分 {turns} 轮：预算每次允许 {together} 台",
    ),
    "store_before": ("Before", "之前"),
    "store_before_line": (
        "nothing; its turn comes after {stores} other stores",
        "无；之前还有 {stores} 家门店",
    ),
    "store_before_first": ("nothing; it is among the first", "无；属于第 1 波"),
    "store_preflight": ("Looked at", "预检"),
    "store_preflight_line": (
        "{at}: fitness, restore point captured (up to {long}); nothing changes",
        "{at}：检查条件、建立恢复点（至多 {long}）；不改变任何内容",
    ),
    "store_change": ("Changed", "变更"),
    "store_change_line": (
        "up to {long} per turn, the last one verified by {ends}; undoes itself after {deadline} "
        "without a word from us",
        "每轮至多 {long}，最迟 {ends} 全部验证；失联超过 {deadline} 自行回退",
    ),
    "store_reboot": ("up to {long} of it for a reboot", "其中重启至多 {long}"),
    "store_closes": ("its window closes {at}", "窗口于 {at} 关闭"),
    "store_watched": ("Watched", "观察"),
    "store_watched_line": ("until {at}, in trade as usual", "至 {at}，照常营业"),
    "store_exposed": ("Exposed", "可回退"),
    "store_exposed_line": (
        "until the rollout is over ({at}): any failed gate takes it back, in up to {long} per turn",
        "至发布结束（{at}）：任何门禁失败都会回退，每轮至多 {long}",
    ),
    "store_against": ("Against", "阻碍"),
    "store_unfit": ("Left out", "未纳入"),
}
"""Every text by its key."""

_BUDGETS = {"store": "store", "pos": "pos_share", "group": "group", "region": "region"}


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of one language."""

    language: Language

    def __getitem__(self, key: str) -> str:
        return WORDS[key][self.language is Language.ZH]

    def __call__(self, key: str, **values: object) -> str:
        """A text with its blanks filled."""
        return self[key].format(**values)

    def joined(self, names: object, most: int = 8) -> str:
        """Names in a row, the first ones of many."""
        listed = [str(name) for name in names]  # type: ignore[attr-defined]
        tail = f" +{len(listed) - most}" if len(listed) > most else ""
        return self["list"].join(listed[:most]) + tail

    def operation(self, operation: object) -> str:
        """A class of work."""
        return operation_name(operation, self.language.value)  # type: ignore[arg-type]

    def size(self, size: WaveSize) -> str:
        """How far a wave reaches."""
        if size.kind is SizeKind.STORES:
            return self("size_stores" if size.stores > 1 else "size_store", count=size.stores)
        if size.kind is SizeKind.LABEL:
            return self("size_label", label=size.label)
        if size.kind is SizeKind.STRATUM:
            return self("size_stratum", count=size.stores)
        return self["size_rest"] if size.share == REST.share else percent(size.share)

    def soak(self, soak: Soak, *, emergency: bool) -> str:
        """How long a wave is watched."""
        told = self("soak_wall", wall=span(soak.wall, self.language))
        if soak.trading:
            told += self("soak_trading", trading=span(soak.trading, self.language))
        return told + (self["soak_emergency"] if emergency else "")

    def deadline(self, kept: Kept, due: str, risk: str) -> str:
        """A deadline in words."""
        key = f"deadline_{kept.deadline.value}"
        return self(key, due=due, risk=self[f"risk_{risk}"], guide=kept.guide)

    def spare(self, kept: Kept) -> str:
        """How well a deadline is kept."""
        if kept.will is None:
            return self["nobody"]
        by = span(abs(kept.by), self.language)
        if kept.kept:
            return self("spare", by=by)
        return self("early" if kept.deadline is Deadline.NOTICE else "late", by=by)

    def loosening(self, loose: Loosening) -> str:
        """In what a file is looser, and what is asked for."""
        guide = self("guide", guide=loose.guide) if loose.guide else ""
        says, asked = (self._value(each, loose.what) for each in (loose.says, loose.asked))
        key = f"loose_{loose.what.value.replace(' ', '_')}"
        return self(key, says=says, asked=asked, guide=guide)

    def remedy(self, wave: WaveTimes, now: int, site: int) -> str:
        """What to do about an undo that takes too long."""
        undo = wave.undo
        if undo.enough_at_once is None:
            return self["remedy_none"]
        if undo.group:
            return self("remedy_group", budget=_BUDGETS.get(undo.group.partition(":")[0], "store"))
        return self(
            "remedy_forks", enough=undo.enough_at_once, now=now, site=site, most=undo.most_exposed
        )

    def _value(self, value: object, what: Loosened) -> str:
        if isinstance(value, Fraction):
            return percent(value)
        return span(value, self.language) if what is Loosened.SOAK else str(value)  # type: ignore[arg-type]


def percent(share: Fraction) -> str:
    """``10 %``."""
    return f"{float(share * 100):g} %"
