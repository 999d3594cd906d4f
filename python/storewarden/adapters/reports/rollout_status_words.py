# SPDX-License-Identifier: GPL-3.0-or-later
"""What the view of a rollout says, in English and Chinese."""

from __future__ import annotations

from dataclasses import dataclass

from storewarden.adapters.reports.values import clean
from storewarden.domain.outbox.notice import Text
from storewarden.ports.reports import Language

WORDS: dict[str, tuple[str, str]] = {
    "title": ("Rollout", "灰度发布"),
    "change": ("change {number}", "变更 {number}"),
    "emergency": ("emergency lane", "紧急通道"),
    "begun": ("begun {at}", "开始于 {at}"),
    "ended": ("ended {at}", "结束于 {at}"),
    "lock": ("versions {digest}, resolved on {host}", "版本锁 {digest}，由 {host} 解析"),
    "supersedes": ("took hosts over from {number}", "接管了 {number} 的主机"),
    "superseded": ("{number} took its hosts over", "其主机由 {number} 接管"),
    "until": ("until {at}", "至 {at}"),
    "stopped": (
        "kill switch: nothing new begins in any rollout: {why}",
        "总停开关：所有发布均不再开始新操作：{why}",
    ),
    "next": ("Next", "下一步"),
    "next_stopped": (
        'storewarden rollout go-on --reason "..." lets all rollouts go on',
        "storewarden rollout go-on --reason 「…」 使所有发布继续",
    ),
    "next_draft": (
        "the change needs its approvals: storewarden change show {change}",
        "等待变更审批：storewarden change show {change}",
    ),
    "next_change": (
        "the change does not let work go on: storewarden change show {change}",
        "变更单不允许继续：storewarden change show {change}",
    ),
    "next_capacity": (
        "it goes on by itself when that is over; or storewarden rollout abort {number} --reason",
        "条件满足后自动继续；或 storewarden rollout abort {number} --reason",
    ),
    "next_backup": (
        "it goes on by itself when there is one: storewarden backup coverage --only-bad",
        "备份就绪后自动继续：storewarden backup coverage --only-bad",
    ),
    "next_paused": (
        "storewarden rollout resume {number}, or abort, each with --reason",
        "storewarden rollout resume {number}，或 abort，均需 --reason",
    ),
    "next_held": (
        "a person decides: storewarden rollout promote {number}, or abort, each with --reason",
        "由人决定：storewarden rollout promote {number}，或 abort，均需 --reason",
    ),
    "next_attention": (
        "put the host right, or set it aside: storewarden rollout release {number} {host}",
        "处理该主机，或将其释放：storewarden rollout release {number} {host}",
    ),
    "waves": ("Waves", "波次"),
    "wave": ("#", "波"),
    "stores": ("stores", "门店"),
    "hosts": ("done", "完成"),
    "state": ("state", "状态"),
    "began": ("begun", "开始"),
    "watched": ("soak left", "剩余观察"),
    "verdict": ("gates", "门禁"),
    "trade": ("{span} of trade", "营业 {span}"),
    "over": ("long enough", "已满"),
    "excused": ("promoted by a person", "人工放行"),
    "grid": ("Stores, a letter per host", "门店（每台主机一个字母）"),
    "more_stores": ("... {count} more stores: {told}", "……另有 {count} 家门店：{told}"),
    "gates": ("Gates of wave {wave}, asked {at}", "第 {wave} 波门禁，{at}"),
    "at_work": ("Under way: {count}", "进行中：{count}"),
    "since": ("{count}, for {span}", "{count}，已 {span}"),
    "back": ("Going back", "回退"),
    "verdict_at": ("decided {at}: {why}", "决定于 {at}：{why}"),
    "by": (" ({who})", "（{who}）"),
    "untouched": ("no host had been changed: nothing to restore", "没有主机被变更，无需恢复"),
    "saved": (
        "{count} hosts had been restored before the decision, the last one {span} before it",
        "{count} 台主机在决定前已自动恢复，最后一台早于决定 {span}",
    ),
    "first": ("first undo", "首次恢复"),
    "last": ("last host restored", "最后一台恢复"),
    "kept": ("{span} after the decision ({allowed} allowed)", "决定后 {span}（要求 {allowed}）"),
    "not_yet": (
        "not yet: {span} so far ({allowed} allowed)",
        "尚未：已过 {span}（要求 {allowed}）",
    ),
    "late": ("late", "超时"),
    "restored": ("restored", "已恢复"),
    "restored_of": ("{count} of {all} changed hosts", "{count}/{all} 台已变更主机"),
    "owed": ("To be looked at", "待处理"),
    "more": ("... {count} more", "……另有 {count} 项"),
    "story": ("What happened last", "最近事件"),
    "times": (" ({count} times in a row)", "（连续 {count} 次）"),
    "one_host": ("1 host", "1 台主机"),
    "some_hosts": ("{count} hosts", "{count} 台主机"),
    "colon": (": ", "："),
    "semi": ("; ", "；"),
    "comma": (", ", "，"),
}


@dataclass(frozen=True, slots=True)
class Words:
    """The sentences of one language."""

    language: Language

    def __getitem__(self, key: str) -> str:
        return WORDS[key][self.language is Language.ZH]

    def __call__(self, key: str, **facts: object) -> str:
        """A sentence with its facts."""
        return self[key].format(**facts)

    def of(self, text: Text | None) -> str:
        """A text of the outbox; "" for none."""
        return text.in_(self.language.value) if text is not None else ""

    def either(self, english: str, chinese: str) -> str:
        """What was said in both languages, or in English alone, harmless for a terminal."""
        return clean((chinese if self.language is Language.ZH else "") or english)

    def counted(self, hosts: int) -> str:
        """``1 host``, ``12 hosts``."""
        return self["one_host"] if hosts == 1 else self("some_hosts", count=hosts)

    @staticmethod
    def clean(text: str) -> str:
        """Harmless for a terminal."""
        return clean(text)
