/* SPDX-License-Identifier: BSL-1.0
 * SPDX-FileCopyrightText: The libivshmem authors
 *
 * Claiming a slot (lib/channel/channel-layout.md): CLAIMANTS peers want the same one, and perhaps another has it, or had.
 * Time passes in ticks. A claimant waits SHORT if no peer holds the slot, else the claim time. A claimant that
 * takes the slot after its wait needs at most TAKES ticks; a holder that is rung wakes up within WAKES and has
 * looked and answered within LOOKS.
 *
 * SLEEPS  a holder may take any time to answer: it may lose the slot, and finds out
 * KNOWN   a claimant may know that a peer is gone, as the server says; it does not wait for that one's answer
 * ENDS    the maximum number of peers that die or leave
 */
#ifndef MUTATION
#define MUTATION 0
#endif
#define RULE(n) (MUTATION != n)

#define SHORT 2
#define TAKES (RULE(7) -> 1 : 2)
#define CLAIM_TIME 4
#define WAKES (RULE(8) -> 1 : 3)
#define LOOKS 1
#define HOLDER 0
#define PEERS (CLAIMANTS + 1)

/* The header's words: the claimant and the holder of the slot (the peer's number plus one), and the peer to ring. */
byte claim, incarnation, peer;
bit bell[PEERS];
byte left[PEERS];      /* ticks left */
bit urgent[PEERS];     /* no tick passes until this one is done */
bit holds[PEERS];      /* the peers that believe that they hold the slot */
byte holders, ends = ENDS;
#ifdef KNOWN
bit ended[PEERS];      /* the peers whose connection has ended: they write no more */
#define IS_GONE(whom) (RULE(12) -> ended[whom] : 1)
#else
#define IS_GONE(whom) 0
#endif

#if CLAIMANTS == 3
#define ANY(x) (x(0) || x(1) || x(2) || x(3))
#else
#define ANY(x) (x(0) || x(1) || x(2))
#endif
#define WAITING(i) (left[i] > 0)
#define OVERDUE(i) (urgent[i] && left[i] == 0)
#define N (me + 1)
#define STEP(x) if :: d_step { x } :: d_step { ends > 0 -> ends-- }; goto gone fi
#ifdef SLEEPS
#define ONLY skip
#else
#define ONLY assert(holders == 1)
#endif
#define HOLD holds[me] = 1; holders++
#ifdef KNOWN
#define GONE ended[me] = 1
#else
#define GONE skip
#endif
#define LOSE if :: holds[me] -> holds[me] = 0; holders-- :: else fi; urgent[me] = 0; left[me] = 0

/* Sleep, unless a bell rang in the meantime. */
inline listen() {
#ifdef SLEEPS
  urgent[me] = 0; left[me] = 0
#else
  urgent[me] = bell[me];
  left[me] = (bell[me] -> WAKES : 0)
#endif
}

inline wake() {
  bell[me] = 0;
#ifndef SLEEPS
  urgent[me] = 1; left[me] = LOOKS
#endif
}

inline ring(whom) {
  bell[whom] = 1;
#ifndef SLEEPS
  if
  :: holds[whom] && !urgent[whom] -> urgent[whom] = 1; left[whom] = WAKES
  :: else
  fi
#endif
}

/* Leaving is as quick as an answer. */
inline leave() {
#ifdef SLEEPS
  skip
#else
  urgent[me] = RULE(10); left[me] = LOOKS
#endif
}

proctype Peer(byte me; bit holding) {
  byte seen, before;
  if
  :: holding -> goto held
  :: else
  fi;

  /* Claim first, then look at the holder: the two accesses must not be reordered. */
  if
  :: RULE(2) -> STEP(claim = N); STEP(before = incarnation)
  :: else -> STEP(before = incarnation); STEP(claim = N)
  fi;
  if
  :: before != 0 ->
    STEP(seen = peer);
    if
    :: RULE(3) -> STEP(ring(seen))
    :: else
    fi;
    if
    :: STEP(IS_GONE(seen) -> left[me] = SHORT; seen = 0; before = 0)
    :: STEP(left[me] = (RULE(4) -> CLAIM_TIME : SHORT); seen = 0; before = 0)
    fi
  :: else -> STEP(left[me] = SHORT)
  fi;
  STEP(left[me] == 0 -> seen = claim;
       if :: seen == N -> urgent[me] = 1; left[me] = TAKES :: else fi);
  if
  :: seen != N && RULE(5) -> goto gone
  :: else -> seen = 0
  fi;
  STEP(incarnation = 0);
  STEP(peer = me);
  STEP(incarnation = N; HOLD; ONLY);
  /* A peer that claimed in between saw no peer to ring. */
  if
  :: RULE(1) ->
    STEP(seen = claim);
    if
    :: seen != N -> STEP(claim = N)
    :: else
    fi;
    seen = 0
  :: else
  fi;
  STEP(listen());

held:
  do
  :: /* After each wake-up. Without the bell, only looks that find something matter. */
    if
    :: STEP(bell[me] || claim != N || (RULE(11) && incarnation != N) -> wake(); seen = claim)
    fi;
    STEP(before = incarnation);
    if
    :: before != N && RULE(9) -> break
    :: before == N && seen != N && RULE(6) -> STEP(claim = N)
    :: else
    fi;
    seen = 0; before = 0;
    STEP(listen())
  :: d_step { ends > 0 -> ends-- } ->
    if
    :: goto gone /* dies */
    :: d_step { LOSE; leave() } /* leaves, or dies while it does */
    fi;
    if :: incarnation = 0 :: goto gone fi;
    if :: claim = 0 :: goto gone fi;
    goto gone
  od;

gone:
  if
  :: d_step { LOSE; bell[me] = 0; seen = 0; before = 0; GONE }
  fi
}

/* A tick passes if nothing is overdue. */
active proctype Clock() {
  byte i;
end:
  do
  :: d_step { ANY(WAITING) && !ANY(OVERDUE) ->
       for (i : 0 .. PEERS - 1) {
         if :: left[i] > 0 -> left[i]-- :: else fi
       }
       i = 0
     }
  od
}

/* No other peer dies, even if fewer died than may. */
active proctype Enough() {
  d_step { ends > 0 -> ends = 0 }
}

/* In the end no peer believes that it holds a slot that another peer has. */
active proctype End() {
  timeout;
  assert(holders <= 1);
  assert(holders == 0 || (incarnation > 0 && claim == incarnation && peer == incarnation - 1 && holds[peer]))
}

init {
  byte i;
  atomic {
    if
    :: skip                                                        /* no peer ever held it */
    :: claim = 1                                                   /* a claimant died */
    :: claim = 1; incarnation = 1                                  /* the holder died */
    :: claim = 1; incarnation = 1; d_step { holds[HOLDER] = 1; holders = 1 }; run Peer(HOLDER, 1)
    fi;
    for (i : 1 .. CLAIMANTS) { run Peer(i, 0) };
    i = 0
  }
}
