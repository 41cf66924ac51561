/* SPDX-License-Identifier: BSL-1.0
 * SPDX-FileCopyrightText: The libivshmem authors
 *
 * Opening, connecting, resetting and closing a channel (lib/channel/channel-layout.md), with a crash and a restart
 * at every step. Each load or store of shared memory is a step; memory keeps its content over a crash.
 *
 * EVENTS   the maximum number of crashes, closings and reopenings of either side
 * MSGS     messages in each session, each way (of side 1: MSGS1); SIZE records fit into a ring, one stays free
 * SLEEP    a side sleeps until its bell rings (to prove that it ends); without it, it looks all the time
 * REUSE    an epoch is the lowest that the rule allows, not one that is always new
 */
#ifndef MUTATION
#define MUTATION 0
#endif
#define RULE(n) (MUTATION != n)

/* Shared words, indexed by their writer. */
byte epoch[2], ack[2], cursor[2];
bit closed[2], head[2 * SIZE], bell[2];
byte body[2 * SIZE];      /* session * 4 + number */
byte events = EVENTS;

/* Ghosts. A session is the number of an opening; `meet` is the peer's session that a side is connected to. */
byte session[2], meet[2], sent[2], due[2], gotten[2], gottenOf[2];

#define PEER (1 - me)
#define QUOTA (me -> MSGS1 : MSGS)
#define MAYSEND !deaf && !stuffed && (tail < QUOTA || seen < tail)
#define STEP(x) if :: d_step { x } :: CRASH fi
#define CRASH d_step { events > 0 -> events-- }; goto crashed
#define LOCAL(x) if :: d_step { x } fi
#define FORGET \
  meet[me] = 0; due[me] = 0; pos = 0; tail = 0; seen = 0; v = 0; h = 0; eof = 0; deaf = 0; stuffed = 0; was = 0
#define RING STEP(bell[PEER] = 1)
#define HERE(position) (me * SIZE + (position) % SIZE)
#define THERE(position) ((1 - me) * SIZE + (position) % SIZE)
#define DELIVER(b) \
  assert(b == meet[me] * 4 + pos); /* of the connected session, and the next in order */ \
  if :: gottenOf[me] != meet[me] -> gottenOf[me] = meet[me]; gotten[me] = 0 :: else fi; \
  assert(gotten[me] == pos); /* and never received before, by any incarnation of this side */ \
  gotten[me]++; pos++; b = 0

/* Unless the peer has started again, each side is connected to the other's present session. */
#ifdef REUSE
#define TOGETHER skip
#else
#define TOGETHER assert(v != ack[me] || (ack[PEER] == epoch[me] && meet[me] == session[PEER]))
#endif

/* E: not 0, not the epoch before, not theirs.ack. */
inline choose() {
#ifdef REUSE
  E = 1;
  do
  :: E == before || (RULE(9) && E == ack[PEER]) -> E++
  :: else -> break
  od;
  before = 0
#else
  E = session[me] + 1
#endif
}

proctype Side(bit me) {
  byte E, pos, tail, seen, v, before;
  bit h, eof, deaf, stuffed, was;
  goto opening;

crashed:
  LOCAL(bell[me] = 0; E = 0; before = 0; FORGET);
  /* The claim of the slot clears these; the rings keep their content. */
  STEP(epoch[me] = 0);
  STEP(ack[me] = 0);
  STEP(closed[me] = 0);

opening:
  LOCAL(FORGET);
#ifdef REUSE
  before = epoch[me];
#endif
  if :: RULE(2) -> STEP(epoch[me] = 0) :: else fi;
  if :: RULE(3) -> STEP(head[HERE(0)] = 0) :: else fi;
  if :: RULE(4) -> STEP(cursor[me] = 0) :: else fi;
  STEP(ack[me] = 0);
  STEP(closed[me] = 0);
  STEP(choose());
  STEP(epoch[me] = E; session[me]++; sent[me] = 0);
  RING;

connect:
  STEP(v = epoch[PEER]);
  if
  :: v != ack[me] ->
    pos = 0;
    if
    :: was -> was = 0; meet[me] = 0; due[me] = 0 /* only in a mutation: the old E continues */
    :: else
    fi;
    if :: RULE(4) -> STEP(cursor[me] = 0) :: else fi;
    STEP(ack[me] = v);
    if :: RULE(6) -> RING :: else fi
  :: else
  fi;
  v = 0;
  if
  :: ack[me] == 0 -> goto unmet
  :: else
  fi;
  STEP(v = ack[PEER]);
  if
  :: v != E -> v = 0; goto unmet
  :: else
  fi;
  /* Look at the epoch again. */
  STEP(v = (RULE(7) -> epoch[PEER] : ack[me]);
       if :: v == ack[me] -> meet[me] = session[PEER]; due[me] = sent[PEER]; was = 1 :: else fi);
  if
  :: v != ack[me] -> v = 0; goto connect
  :: else -> v = 0; goto connected
  fi;

unmet:
  if
#ifdef SLEEP
  :: d_step { bell[me] -> bell[me] = 0 }; goto connect
#else
  :: goto connect
#endif
  :: CRASH
  :: d_step { events > 0 -> events-- }; goto leave
  fi;

connected:
  if
  :: MAYSEND -> goto send
  :: goto receive
  :: d_step { events > 0 -> events-- }; goto leave
  fi;

send:
  STEP(v = cursor[PEER];
       /* Acknowledged messages have been delivered. */
       assert(v < seen || v > tail || v == 0 || (gottenOf[PEER] == session[me] && gotten[PEER] >= v)));
  if
  :: v < seen || v > tail -> /* a fault, unless the peer started again */
    STEP(assert(RULE(5) && epoch[PEER] != ack[me]));
    goto reset
  :: else -> seen = v; v = 0
  fi;
  if
  :: tail == QUOTA || tail + 2 - seen > SIZE -> stuffed = 1; goto connected
  :: else
  fi;
  STEP(body[HERE(tail)] = session[me] * 4 + tail);
  if :: RULE(10) -> STEP(head[HERE(tail + 1)] = 0) :: else fi;
  STEP(head[HERE(tail)] = 1;
       sent[me]++;
       if :: meet[PEER] == session[me] -> due[PEER]++ :: else fi);
  tail++;
  RING;
  goto connected;

receive:
  STEP(h = head[THERE(pos)]);
  if
  :: h ->
    h = 0;
    STEP(v = body[THERE(pos)]; DELIVER(v));
    if
    :: STEP(cursor[me] = pos); RING
    :: skip
    fi;
    goto connected
  :: else
  fi;
  if
  :: cursor[me] != pos -> STEP(cursor[me] = pos); RING
  :: else
  fi;
  STEP(v = epoch[PEER];
       TOGETHER);
  if
  :: v != ack[me] -> v = 0; goto reset
  :: else -> v = 0
  fi;
  STEP(h = closed[PEER]);
  if
  :: h && !eof ->
    h = 0;
    deaf = 1;
    STEP(h = head[THERE(pos)]);
    if
    :: !h ->
      /* Closed, unless the peer opened again and cleared unread messages. */
      STEP(v = (RULE(1) -> epoch[PEER] : ack[me]);
           eof = (v == ack[me]);
           assert(!eof || due[me] == pos));
      if
      :: v != ack[me] -> v = 0; goto reset
      :: else -> v = 0
      fi
    :: else -> h = 0; goto connected
    fi
  :: else -> h = 0
  fi;
  if
#ifdef SLEEP
  :: d_step { !(MAYSEND) && bell[me] -> bell[me] = 0 }; stuffed = 0; goto connected
  :: MAYSEND -> goto send
#else
  :: stuffed = 0; goto connected
#endif
  :: CRASH
  :: d_step { events > 0 -> events-- }; goto leave
  fi;

reset:
  /* Messages that were published before may still be received. */
  do
  :: STEP(h = head[THERE(pos)]);
    if
    :: h -> h = 0; STEP(v = body[THERE(pos)]; DELIVER(v))
    :: else -> break
    fi
  :: break
  od;
  if
  :: RULE(8) -> goto opening
  :: else -> goto connect
  fi;

leave:
  if
  :: STEP(closed[me] = 1); RING
  :: skip
  fi;
  goto opening
}

/* No more events, even if fewer happened than may. */
active proctype Enough() {
  d_step { events > 0 -> events = 0 }
}

#ifdef SLEEP
active proctype End() {
  timeout;
  assert(meet[0] == session[1] && meet[1] == session[0]);
  assert(ack[0] == epoch[1] && ack[1] == epoch[0]);
  assert(gotten[0] == MSGS1 && gotten[1] == MSGS && cursor[0] == MSGS1 && cursor[1] == MSGS)
}
#endif

init {
  atomic { run Side(0); run Side(1) }
}
