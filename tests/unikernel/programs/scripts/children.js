// child_process of Node: programs with input, pipes and signals, and a child of its own with messages.
const { exec, execFileSync, fork, spawn, spawnSync } = require('child_process');
if (process.argv[2] === 'child') {
  process.on('message', m => { process.send({ square: m.n * m.n }); if (m.last) process.disconnect(); });
} else {
  console.log(execFileSync('/usr/bin/sort', { input: 'b\na\nc\n' }).toString());
  const ended = spawnSync('/bin/sh', ['-c', 'echo out; echo err >&2; exit 7']);
  console.log(ended.status, ended.stdout.toString(), ended.stderr.toString());
  const cat = spawn('/usr/bin/tr', ['a-z', 'A-Z']);
  let said = '';
  cat.stdout.on('data', d => { said += d; });
  cat.stdin.end('hello from a pipe\n');
  cat.on('close', code => {
    console.log('close', code, said);
    exec('kill -TERM $$', (error) => {
      console.log('killed by', error.signal);
      spawn('/no/such/program').on('error', e => {
        console.log(e.code);
        const child = fork(__filename, ['child']);
        let seen = [];
        child.on('message', m => { seen.push(m.square); });
        child.on('exit', (code, signal) => { console.log('child', code, signal, seen.join(' ')); });
        for (let n = 1; n <= 20; n++) child.send({ n, last: n === 20 });
      });
    });
  });
}
