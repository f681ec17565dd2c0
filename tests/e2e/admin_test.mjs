// The admin plane as staff and regulators use it: over HTTP, with their tokens, against a gateway
// that has judged real exchanges. What each filter finds is tested where searching is; here it is
// that everything is served, to whom, and what it leaves in the ledger.
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {readFile, writeFile} from 'node:fs/promises';
import path from 'node:path';
import {after, before, describe, it} from 'node:test';

import {answer, FakeUpstream} from './fake_upstream.mjs';
import {Gateway, get, keys, runWeir, Scope, until, weirProgram} from './gateway_under_test.mjs';
import {ask, client} from './openai_outcome.mjs';

const verifyProgram = path.join(path.dirname(weirProgram), 'weir-verify');
const roles = ['auditor', 'compliance', 'operator', 'legal'];
const staff = (who) => 'staff:\n' + who.map((role) =>
  `  - {id: ${role}.name, roles: [${role}], token_sha256: ${createHash('sha256').update(`token-${role}`).digest('hex')}}\n`).join('');

describe('the admin plane', () => {
  const scope = new Scope();
  after(() => scope.end());
  let gateway, records;

  // As somebody whose token is `token-ROLE`; nobody without one.
  const as = (role, target, post) => get(gateway.admin + target, {
    ...(role && {authorization: `Bearer token-${role}`}), ...(post && {'content-type': 'application/json'})},
    post ? {method: 'POST', body: JSON.stringify(post)} : {});
  async function read(role, target, post) {
    const response = await as(role, target, post);
    assert.equal(response.status, 200, `${target}: ${response.body}`);
    assert.equal(response.headers['cache-control'], 'no-store');
    return JSON.parse(response.body);
  }
  function isProblem(response, status) {
    assert.equal(response.status, status, response.body);
    assert.match(response.headers['content-type'], /^application\/problem\+json/);
    const problem = JSON.parse(response.body);
    assert.deepEqual(Object.keys(problem).sort(), ['detail', 'status', 'title', 'type']);
    assert.equal(problem.status, status);
    assert.ok(problem.detail.length > 10, 'it says what to do');
    return problem.detail;
  }
  const last = async (...filters) => (await gateway.records(...filters)).at(-1);

  before(async () => {
    const upstream = await FakeUpstream.start(scope);
    upstream.play = answer({text: '清晨的河水慢慢流过堤坝。'});
    gateway = await Gateway.start(scope, {upstreamUrl: upstream.base, extra: staff(roles),
      content: 'encrypted', audit: ', erasure_floor_days: 0, erasure_floor_transfer_days: 0'});
    const openai = client(gateway.base, keys.refusal);
    for (let i = 0; i < 6; ++i) await openai.chat.completions.create(ask(`第${i}问，围堰怎么排水`, {user: `user-${i % 2}`}));
    await openai.chat.completions.create(ask('这里有禁用词语', {user: 'user-0'}));
    records = await gateway.records();
    // Evidence, exports and tiles are of what a checkpoint covers.
    await until(async () => Number((await get(`${gateway.admin}/tiles/checkpoint`)).body.split('\n')[1]) >= records.length,
        'a checkpoint covers the exchanges');
  });

  it('pages through decisions with a cursor, and finds by field and by words', async () => {
    const decided = records.filter((record) => ['prompt', 'answer'].includes(record.kind));
    const shown = [];
    let cursor = '';
    do {
      const page = await read('auditor', `/admin/v1/decisions?limit=5${cursor && `&cursor=${cursor}`}`);
      assert.ok(page.decisions.length <= 5);
      shown.push(...page.decisions);
      cursor = page.next_cursor;
    } while (cursor);
    assert.deepEqual(shown, decided.slice().reverse());
    const blocked = await read('compliance', '/admin/v1/decisions?action=block&kind=prompt&rule=ETE-0010');
    assert.deepEqual(blocked.decisions.map((record) => record.user), ['user-0']);
    const words = await read('legal', `/admin/v1/decisions?q=${encodeURIComponent('围堰怎么')}&user=user-1&kind=prompt`);
    assert.equal(words.decisions.length, 3);
  });

  it('counts, and counts by time', async () => {
    assert.deepEqual(await read('auditor', '/admin/v1/decisions/count?user=user-1'), {count: 6, complete: true});
    const histogram = await read('auditor', '/admin/v1/decisions/histogram?user=user-1&interval=hour&from=' +
      encodeURIComponent(new Date(Date.now() - 3 * 3_600_000).toISOString()));
    assert.equal(histogram.buckets.reduce((sum, bucket) => sum + bucket.count, 0), 6);
    assert.equal(histogram.complete, true);
  });

  it('shows an exchange, and evidence that weir-verify accepts and a changed byte spoils', async () => {
    const prompt = records.find((record) => record.kind === 'prompt');
    const {decisions} = await read('auditor', `/admin/v1/decisions/${prompt.seq}`);
    assert.deepEqual(decisions.map((record) => record.kind), ['prompt', 'answer']);
    assert.deepEqual(await read('auditor', `/admin/v1/decisions/${prompt.exchange}`), {decisions});

    const evidence = await as('auditor', `/admin/v1/decisions/${prompt.seq}/evidence`);
    assert.equal(evidence.status, 200);
    const file = path.join(gateway.folder, 'evidence');
    const verify = async (text) => {
      await writeFile(file, text);
      return (await runWeir(['--keys', path.join(gateway.folder, 'audit/ledger.vkey'), file], {program: verifyProgram})).code;
    };
    assert.equal(await verify(evidence.body), 0);
    assert.equal(await verify(evidence.body.replace('"user":"user-0"', '"user":"user-9"')), 1);
  });

  it('exports beside the running gateway what weir-verify accepts', async () => {
    const out = path.join(gateway.folder, 'export');
    const made = await runWeir(['audit', 'export', '--dir', `${gateway.folder}/audit`, '--out', out]);
    assert.equal(made.code, 0, made.err);
    const verified = await runWeir(['--keys', path.join(gateway.folder, 'audit/ledger.vkey'), out], {program: verifyProgram});
    assert.equal(verified.code, 0, verified.out + verified.err);
    assert.match(await readFile(path.join(out, 'summary.html'), 'utf8'), /ETE-0010/);
  });

  it('reveals content to auditors for a reason, and records who and why before it is shown', async () => {
    const {seq} = records.find((record) => record.kind === 'prompt' && record.user === 'user-1');
    const {content} = await read('auditor', `/admin/v1/decisions/${seq}/reveal`, {reason: '投诉 2026-17'});
    assert.match(content, /围堰怎么排水/);
    const look = await last('--kind', 'access');
    assert.equal(look.user, 'auditor.name');
    assert.match(JSON.stringify(look), /投诉 2026-17/);
    assert.match(JSON.stringify(look), new RegExp(`\\b${seq}\\b`));
    isProblem(await as('auditor', `/admin/v1/decisions/${seq}/reveal`, {reason: ''}), 400);
    isProblem(await as('auditor', `/admin/v1/decisions/${seq}/reveal`, {}), 400);
    for (const role of ['compliance', 'operator']) {
      assert.match(isProblem(await as(role, `/admin/v1/decisions/${seq}/reveal`, {reason: 'x'}), 403), /auditor, legal/);
    }
  });

  it('holds, releases and erases for legal alone; what is erased is gone and the ledger verifies', async () => {
    const {seq} = records.find((record) => record.kind === 'prompt' && record.user === 'user-1');
    const whom = {app: 'app-refusal', user: 'user-1', reason: '本人要求删除'};
    for (const target of ['/admin/v1/holds', '/admin/v1/erasures']) isProblem(await as('auditor', target, whom), 403);

    const hold = await read('legal', '/admin/v1/holds', {...whom, reason: '法院令'});
    assert.equal((await read('legal', '/admin/v1/erasures', whom)).kind, 'restricted');
    assert.match((await read('legal', `/admin/v1/decisions/${seq}/reveal`, {reason: '法院令'})).content, /围堰/);
    isProblem(await as('auditor', `/admin/v1/decisions/${seq}/reveal`, {reason: 'x'}), 403);
    await read('legal', `/admin/v1/holds/${hold.seq}/release`, {reason: '结案'});
    isProblem(await as('legal', `/admin/v1/holds/${hold.seq}/release`, {reason: '结案'}), 404);
    assert.equal((await read('legal', '/admin/v1/erasures', whom)).kind, 'erased');
    isProblem(await as('legal', `/admin/v1/decisions/${seq}/reveal`, {reason: '法院令'}), 404);
    assert.equal((await read('auditor', `/admin/v1/decisions/count?q=${encodeURIComponent('围堰怎么')}&user=user-1`)).count, 0);
    const verified = await gateway.verify();
    assert.equal(verified.code, 0, verified.out + verified.err);
  });

  it('serves tiles: hashes to everybody, entries to staff', async () => {
    const checkpoint = await as('', '/tiles/checkpoint');
    assert.equal(checkpoint.status, 200);
    const size = Number(checkpoint.body.split('\n')[1]);
    assert.ok(size >= records.length);
    assert.equal((await as('', `/tiles/tile/0/000.p/${size}`)).status, 200);
    isProblem(await as('', `/tiles/tile/entries/000.p/${size}`), 401);
    assert.equal((await as('auditor', `/tiles/tile/entries/000.p/${size}`)).status, 200);
    assert.equal((await last('--kind', 'access')).stage, 'Entries');
  });

  it('leaves a record of every look, and none of what was refused', async () => {
    const looks = async () => (await gateway.records('--kind', 'access')).length;
    const begun = await looks();
    await read('auditor', '/admin/v1/decisions?limit=1');
    isProblem(await as('auditor', '/admin/v1/decisions/99999999'), 404);
    assert.equal(await looks(), begun + 2, 'who asks for what is not there has learnt that');
    isProblem(await as('', '/admin/v1/decisions'), 401);
    isProblem(await as('operator', '/admin/v1/decisions'), 403);
    isProblem(await as('auditor', '/admin/v1/decisions?limit=0'), 400);
    isProblem(await as('auditor', '/admin/v1/decisions?apps=x'), 400);
    isProblem(await as('auditor', '/admin/v1/decisions?cursor=x'), 400);
    assert.equal(await looks(), begun + 2);
  });

  it('serves what its OpenAPI document lists, to whom it says, and nothing else', async () => {
    const document = await read('', '/admin/v1/openapi.json');
    assert.equal(document.openapi, '3.1.0');
    let operations = 0;
    for (const [pattern, methods] of Object.entries(document.paths)) {
      const target = pattern.replace(/\{[^}]*\}/g, '1');
      for (const [method, operation] of Object.entries(methods)) {
        ++operations;
        const open = operation.security?.length === 0;
        const answered = await get(gateway.admin + target, {}, {method: method.toUpperCase()});
        if (!open) {
          isProblem(answered, 401);
          assert.equal(answered.headers['www-authenticate'], 'Bearer');
        }
        assert.notEqual(answered.status, 405, target);
        assert.doesNotMatch(answered.body, /nothing here|nothing is here/i, target);
        for (const role of open ? [] : roles) {
          const allowed = operation.description.includes(role);
          const {status} = await get(gateway.admin + target, {authorization: `Bearer token-${role}`}, {method: method.toUpperCase()});
          assert.equal(status === 403, !allowed, `${method} ${target} as ${role}: ${status}`);
        }
      }
      const other = methods.get ? 'DELETE' : 'GET';
      assert.equal((await get(gateway.admin + target, {authorization: 'Bearer token-auditor'}, {method: other})).status, 405, target);
    }
    assert.ok(operations > 12, `${operations} operations`);
    for (const target of ['/', '/admin', '/admin/v1/', '/admin/v1/decision', '/admin/v2/decisions', '/tiles/']) {
      isProblem(await as('auditor', target), 404);
    }
  });

  it('lets a token work until a reload takes it away, and a page says so', async (t) => {
    t.after(async () => {
      await gateway.writeConfig();
      gateway.child.kill('SIGHUP');
    });
    assert.equal((await as('compliance', '/admin/v1/decisions?limit=1')).status, 200);
    await gateway.writeConfig({extra: staff(['auditor', 'legal'])});
    gateway.child.kill('SIGHUP');
    let answered;
    do {
      answered = await as('compliance', '/admin/v1/decisions?limit=1');
    } while (answered.status === 200);
    assert.match(isProblem(answered, 401), /token/);
    assert.equal((await as('auditor', '/admin/v1/decisions?limit=1')).status, 200);
    for (const value of ['Bearer', 'Bearer ', 'Basic dG9rZW4tYXVkaXRvcjo=', 'token-auditor', 'Bearer token-audito', 'Bearer token-auditor x']) {
      assert.equal((await get(`${gateway.admin}/admin/v1/decisions`, {authorization: value})).status === 200, false, value);
    }
  });
});
